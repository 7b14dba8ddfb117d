//! `pause`.

use super::{Call, Problem, refuse};
use crate::api::Prompt;
use crate::callback::Event;
use crate::exec::connection::number;
use crate::exec::result::{Res, set};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["seconds", "minutes", "prompt", "echo", "_raw_params"])?;
    let echo = call.bool("echo", true)?;
    let amount = |name: &str| match call.arg(name) {
        None => Ok(None),
        Some(value) => number(value)
            .map(|n| Some(n.max(0.0) as u64))
            .ok_or_else(|| refuse(format!("non-integer value given for {name}: {}", crate::text::of(value)))),
    };
    let (minutes, seconds) = (amount("minutes")?, amount("seconds")?);
    if minutes.is_some() && seconds.is_some() {
        return Err(refuse("parameters are mutually exclusive: minutes|seconds"));
    }
    // Shorter than a second is a second.
    let limit = minutes.map(|m| m * 60).or(seconds).map(|s| s.max(1));
    let prompt = call.text("prompt");
    let started = jiff::Zoned::now();
    let (engine, prompter) = (&call.run.engine, &call.run.engine.session.prompter);
    let mut input = String::new();
    let title = call.info.name.trim();
    match (limit, prompt) {
        (Some(limit), prompt) => {
            engine.emit(Event::Verbose { level: 0, text: format!("Pausing for {limit} seconds"), host: None });
            match prompt {
                Some(prompt) if prompter.interactive() => {
                    let question = format!("[{title}]\n{prompt}:\r");
                    let ask = Prompt {
                        text: question,
                        private: !echo,
                        seconds: Some(limit),
                        echo_answer: true,
                        piped: false,
                    };
                    input = prompter.ask(ask).await.unwrap_or_default();
                }
                prompt => {
                    if let Some(prompt) = prompt {
                        engine.emit(Event::Verbose { level: 0, text: format!("[{title}]\n{prompt}:"), host: None });
                    }
                    wait(call, limit).await?;
                }
            }
        }
        (None, prompt) => {
            let text = prompt.unwrap_or_else(|| "Press enter to continue, Ctrl+C to interrupt".into());
            if prompter.interactive() {
                let question = format!("[{title}]\n{text}:\r");
                let ask = Prompt { text: question, private: !echo, seconds: None, echo_answer: true, piped: false };
                input = prompter.ask(ask).await.unwrap_or_default();
            } else {
                engine.emit(Event::Warning("Not waiting for response to prompt as stdin is not interactive".into()));
            }
        }
    }
    let stopped = jiff::Zoned::now();
    let elapsed = stopped.timestamp().duration_since(started.timestamp()).as_secs_f64();
    let mut res = Call::done(false);
    set(&mut res, "start", started.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string());
    set(&mut res, "stop", stopped.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string());
    set(&mut res, "delta", imgbuild_jinja::Value::Int(elapsed as i64));
    set(&mut res, "echo", echo);
    set(&mut res, "rc", imgbuild_jinja::Value::Int(0));
    set(&mut res, "stderr", "");
    let unit = if minutes.is_some() { ("minutes", elapsed / 60.0) } else { ("seconds", elapsed) };
    set(&mut res, "stdout", format!("Paused for {:?} {}", (unit.1 * 100.0).round() / 100.0, unit.0));
    set(&mut res, "user_input", input);
    Ok(res)
}

async fn wait(call: &Call<'_>, seconds: u64) -> Result<(), Problem> {
    tokio::select! {
        () = tokio::time::sleep(std::time::Duration::from_secs(seconds)) => Ok(()),
        () = call.run.engine.session.cancel.cancelled() => Err(refuse("user requested abort!")),
    }
}
