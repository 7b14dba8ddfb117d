//! `community.general.random_string`.

use super::password::Chooser;
use super::{Answer, Ask, failed};
use base64::Engine as _;
use imgbuild_jinja::{LookupError, Value};
use std::num::NonZeroU64;

const OPTIONS: [&str; 15] = [
    "length",
    "base64",
    "override_all",
    "override_special",
    "ignore_similar_chars",
    "similar_chars",
    "seed",
    "upper",
    "lower",
    "numbers",
    "special",
    "min_numeric",
    "min_lower",
    "min_upper",
    "min_special",
];

/// A text of `length` characters, of each class at least as many as asked for.
pub fn run(ask: &Ask<'_>) -> Answer {
    if let Some(key) =
        ask.kwargs.keys().find(|key| !OPTIONS.iter().any(|name| imgbuild_jinja::Key::from(*name) == **key))
    {
        return Err(failed(format!("random_string: there is no option '{key}'")));
    }
    let number = |name: &str, default: usize| -> Result<usize, LookupError> {
        let wrong = |_| failed(format!("random_string: {name} must be a number"));
        ask.text(name).map_or(Ok(default), |text| text.trim().parse().map_err(wrong))
    };
    let similar = ask.text("similar_chars").unwrap_or_else(|| "il1LoO0".to_owned());
    let ignore = ask.bool("ignore_similar_chars", false);
    let class = |chars: &str| chars.chars().filter(|c| !ignore || !similar.contains(*c)).collect::<Vec<char>>();
    let special: Vec<char> = match ask.text("override_special").filter(|text| !text.is_empty()) {
        Some(own) => own.chars().collect(),
        None => class("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    };
    let classes = [
        ("upper", "min_upper", class("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        ("lower", "min_lower", class("abcdefghijklmnopqrstuvwxyz")),
        ("numbers", "min_numeric", class("0123456789")),
        ("special", "min_special", special),
    ];
    let seed = ask.text("seed");
    let mut chooser = Chooser::new(seed.as_deref())?;
    let mut chosen: Vec<char> = Vec::new();
    let all: Vec<char> = match ask.text("override_all").filter(|text| !text.is_empty()) {
        Some(own) => own.chars().collect(),
        None => {
            // The order in which the original draws, so that a seed gives the same text.
            for at in [2, 1, 0, 3] {
                let (_, least, chars) = &classes[at];
                for _ in 0..number(least, 0)? {
                    chosen.push(chooser.choice(chars)?);
                }
            }
            classes.iter().filter(|(name, ..)| ask.bool(name, true)).flat_map(|(.., chars)| chars.clone()).collect()
        }
    };
    if all.is_empty() {
        return Err(failed("random_string: these constraints leave no characters to choose from"));
    }
    for _ in chosen.len()..number("length", 8)? {
        chosen.push(chooser.choice(&all)?);
    }
    if seed.is_none() {
        // What each class is sure to have must not stand in front.
        for i in (1..chosen.len()).rev() {
            chosen.swap(i, chooser.below(NonZeroU64::MIN.saturating_add(i as u64))? as usize);
        }
    }
    let text: String = chosen.into_iter().collect();
    let text = match ask.bool("base64", false) {
        true => base64::engine::general_purpose::STANDARD.encode(text),
        false => text,
    };
    Ok(vec![Value::str(text)])
}
