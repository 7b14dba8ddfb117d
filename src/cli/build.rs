//! `imgbuild build`.

use super::args::{TemplateArgs, go_bool};
use super::prepare::{self, PreparedBuild};
use super::wait_for::WaitFor;
use crate::agent_binaries::AGENTS;
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use crate::wire;
use imgbuild_builders::inputs::{self, Inputs};
use imgbuild_diag::Redactor;
use imgbuild_engine::build::OnError;
use imgbuild_engine::event::{Event, Reporter};
use imgbuild_engine::jobs::{self, Ended, Job, Shared};
use imgbuild_engine::journal::{Begin, CrashPoint, Journal, When};
use imgbuild_engine::run::{Cancel, Run};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// Colours
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool)]
    color: bool,
    /// A time before each line
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    timestamp_ui: bool,
    /// Stop between phases and wait for Enter
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    debug: bool,
    /// Replace artifacts that are there
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    force: bool,
    /// What to do when a build fails
    #[arg(long, default_value = "cleanup", value_parser = ["cleanup", "abort", "ask", "run-cleanup-provisioner"])]
    on_error: String,
    /// Builds at the same time; 0 is all
    #[arg(long, default_value_t = 0)]
    parallel_builds: usize,
    /// Build on this machine, in the sandbox
    #[arg(long)]
    sandbox: bool,
    /// The sandbox's state directory
    #[arg(long, value_name = "DIR")]
    sandbox_dir: Option<PathBuf>,
    /// Start an instance from the new image and run this playbook on it; if it fails, the image is removed
    #[arg(long, value_name = "PLAYBOOK")]
    verify: Option<PathBuf>,
    /// Wait for this on the machine before anything is provisioned; may be repeated
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    wait_for: Vec<WaitFor>,
    /// Build only what an image was not yet made of: same options, files and source image. Its image is the artifact otherwise
    #[arg(long)]
    if_changed: bool,
    /// With --if-changed: older images do not count, such as 168h
    #[arg(long, value_name = "TIME", value_parser = super::prune::time, requires = "if_changed")]
    max_age: Option<Duration>,
    /// Append what was built to this manifest, beside those that the template asks for
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print how long each phase took
    #[arg(long)]
    timings: bool,
    /// Warn of variables that a variable file sets and no file declares
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    warn_on_undeclared_var: bool,
    /// Taken for the sake of Packer's command line: plugins are built in, and none is a prerelease
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    ignore_prerelease_plugins: bool,
    /// Taken for the sake of Packer's command line: HCP Packer, which enforces provisioners, is never asked
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    skip_enforcement: bool,
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Runs all builds of the template.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    let style = Style { color: style.color && args.color, timestamps: args.timestamp_ui, ..style };
    if let Some(path) = args.verify.as_ref().filter(|path| !settings.cwd.join(path).is_file()) {
        return Err(anyhow::anyhow!("--verify {}: no such file", path.display()).into());
    }
    if args.if_changed && args.path == Path::new("-") {
        return Err(anyhow::anyhow!("--if-changed reads the template twice: it can't come from standard input").into());
    }
    let redactor = Redactor::new();
    let dir = args.sandbox.then(|| settings.sandbox_dir(args.sandbox_dir.as_deref()));
    let loaded = prepare::prepare(
        &args.path,
        &args.template,
        args.force,
        args.verify.as_ref().map(|path| settings.cwd.join(path)).as_deref(),
        settings,
        &redactor,
        prepare::How {
            warn_undeclared: args.warn_on_undeclared_var,
            ask_data_sources: true,
            sandbox: dir.clone(),
            wait_for: args.wait_for.clone(),
            ..Default::default()
        },
    )?;
    ui::redacted_diagnostics(style, &loaded.warnings, &redactor);
    if loaded.builds.is_empty() {
        return Err(anyhow::anyhow!(
            "No builds to run. (-only and -except left none of: {})",
            loaded.template.build_names.join(", ")
        )
        .into());
    }
    let reporter = Reporter::new(style.sink(args.timings), redactor);
    let (amazon, accounts) = wire::amazon(settings, dir.as_deref());
    let digests =
        if args.if_changed { made_of(&args, settings, dir.as_deref(), reporter.redactor())? } else { Vec::new() };
    let mut digests = digests.into_iter();
    let mut jobs = Vec::new();
    for build in loaded.builds {
        let inputs = digests.next().map(|digest| Inputs { digest, max_age: args.max_age });
        if inputs.is_some() && !build.builder.finds_its_images() {
            ui::note(format!("Warning: {}: a {} is always built, --if-changed or not", build.name, build.kind));
        }
        jobs.push(job(build, &amazon, inputs)?);
    }
    if args.debug {
        ui::say(style, "Debug mode enabled. Builds will not be parallelized.");
    }
    let cancel = Cancel::new();
    let run = open(settings, &args, &cancel)?;
    signals(&run, &reporter).map_err(anyhow::Error::from)?;
    let shared = Shared {
        connect: wire::connect(settings),
        ask: Arc::new(wire::Terminal),
        agents: AGENTS,
        on_error: match args.on_error.as_str() {
            "abort" => OnError::Abort,
            "ask" => OnError::Ask,
            "run-cleanup-provisioner" => OnError::RunCleanupProvisioner,
            _ => OnError::Cleanup,
        },
        force: args.force,
        debug: args.debug,
        // As in Packer: questions of several builds would be mixed up.
        parallel: if args.debug { 1 } else { args.parallel_builds },
        manifest: args.manifest.as_ref().map(|path| settings.cwd.join(path)),
    };
    let started = Instant::now();
    let ended = jobs::run(&run, jobs, &shared, &reporter).await;
    accounts.shutdown().await;
    let code = conclude(&run, &ended, &reporter, style, started.elapsed());
    Ok(code)
}

/// What the images of the builds are made of: the template once more, with a clock that stands still.
fn made_of(
    args: &Args,
    settings: &Settings,
    sandbox: Option<&Path>,
    redactor: &Redactor,
) -> Result<Vec<String>, Failure> {
    let how = prepare::How {
        still: true,
        ask_data_sources: true,
        sandbox: sandbox.map(Path::to_owned),
        ..Default::default()
    };
    let template = prepare::load(&args.path, &args.template, settings, redactor, how)?.template;
    let verify = args.verify.as_ref().map(|path| settings.cwd.join(path));
    inputs::digests(&template, verify.as_deref(), &settings.cwd, redactor)
        .map_err(|error| anyhow::Error::from(error).into())
}

fn job(
    build: PreparedBuild,
    amazon: &Arc<imgbuild_builders::amazon::env::Amazon>,
    inputs: Option<Inputs>,
) -> Result<Job, Failure> {
    let verify = build.verify.map(Arc::new);
    let builder = build.builder.builder(amazon, verify, inputs).map_err(Failure::from)?;
    Ok(Job { name: build.name, kind: build.kind, builder, provision: Arc::new(build.provision), post: build.post })
}

/// The run with its journal.
fn open(settings: &Settings, args: &Args, cancel: &Cancel) -> Result<Run, Failure> {
    let id = settings.run_id();
    let begin = Begin {
        run: id.clone(),
        started: settings.start.as_second(),
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        template: args.path.display().to_string(),
    };
    let journal =
        Journal::create(&settings.journals(), begin, crash_point(settings)).map_err(|e| Failure::Error(e.into()))?;
    Ok(Run::new(id, journal, cancel.clone()))
}

/// For the crash tests: `before:K` or `after:K` kills this program around the K-th write of its journal, as a power cut would.
fn crash_point(settings: &Settings) -> Option<CrashPoint> {
    let (side, number) = settings.var("IMGBUILD_TEST_KILL_AT_JOURNAL_WRITE")?.split_once(':')?;
    let when = if side == "before" { When::Before } else { When::After };
    let number: u64 = number.parse().ok()?;
    Some(Arc::new(move |at, write| {
        if at == when && write == number {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }))
}

/// The first Ctrl-C (or SIGTERM, or a terminal that goes away) cancels: every build undoes what it made. The second ends the program at once and lists what
/// is left. They are caught from here on, before anything is made.
fn signals(run: &Run, reporter: &Reporter) -> std::io::Result<()> {
    let mut interruptions = Interruptions::new()?;
    let (run, reporter) = (run.clone(), reporter.clone());
    tokio::spawn(async move {
        interruptions.next().await;
        reporter.say("\nCancelling: what this run has made is being removed (images that are just being replaced are replaced to the end). Once more \
             to stop at once.");
        run.cancel().cancel();
        interruptions.next().await;
        let text = std::fs::read_to_string(run.journal().path()).unwrap_or_default();
        if let Ok((_, entries, _)) = imgbuild_engine::journal::replay(&text) {
            ui::note("Stopped. Left behind (imgbuild gc sees to it):");
            for entry in entries.iter().rev().filter(|e| e.owed()) {
                ui::note(format!("  {}", imgbuild_engine::run::describe(entry)));
            }
        }
        std::process::exit(i32::from(failure::INTERRUPTED));
    });
    Ok(())
}

/// Signals that ask for an end.
struct Interruptions {
    interrupt: Signal,
    terminate: Signal,
    /// A terminal that was closed must not leave an instance running.
    hangup: Signal,
}

impl Interruptions {
    fn new() -> std::io::Result<Self> {
        Ok(Interruptions {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Says how it ended, and with which code.
fn conclude(run: &Run, ended: &[Ended], reporter: &Reporter, style: Style, elapsed: Duration) -> u8 {
    let failed: Vec<&Ended> = ended.iter().filter(|e| !e.errors.is_empty()).collect();
    let cancelled = ended.iter().any(|e| e.cancelled);
    ui::say(style, &format!("\n==> Wait completed after {}", ui::words(elapsed)));
    if cancelled {
        ui::say(style, "Cleanly cancelled builds after being interrupted.");
    } else if !failed.is_empty() {
        if style.machine_readable {
            ui::line(ui::record("", "error-count", &[&failed.len().to_string()]));
        }
        ui::error(style, "\n==> Some builds didn't complete successfully and had errors:");
        for one in &failed {
            let text = reporter.redactor().redact(&one.errors.join("\n"));
            if style.machine_readable {
                ui::line(ui::record(&one.name, "error", &[&text]));
            }
            ui::error(style, &format!("--> {}: {text}", one.name));
        }
    }
    if ended.iter().any(|e| !e.artifacts.is_empty()) {
        ui::say(style, "\n==> Builds finished. The artifacts of successful builds are:");
    } else if !cancelled {
        ui::say(style, "\n==> Builds finished but no artifacts were created.");
    }
    for one in ended {
        for (index, artifact) in one.artifacts.iter().enumerate() {
            reporter.emit(Event::Artifact {
                build: one.name.clone(),
                builder_id: artifact.builder_id().to_owned(),
                id: artifact.id(),
                description: artifact.description(),
                files: artifact.files().iter().map(|f| f.display().to_string()).collect(),
                index,
                count: one.artifacts.len(),
            });
        }
    }
    let leaks: Vec<String> = ended.iter().flat_map(|e| e.leaks.iter().map(ToString::to_string)).collect();
    if !leaks.is_empty() {
        ui::note("Left behind (imgbuild gc sees to it):");
        leaks.iter().for_each(|leak| ui::note(format!("  {leak}")));
        return failure::LEAKED;
    }
    // The journal of a run that owes nothing is not needed any more.
    if let Err(error) = run.journal().clone().finish() {
        ui::note(format!("Warning: {error}"));
    }
    if failed.is_empty() && !cancelled { failure::OK } else { failure::FAILED }
}
