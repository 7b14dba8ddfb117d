//! `lvol`: LVM's logical volumes, thin pools and snapshots.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::shlex;

/// A size as it was asked for.
#[derive(Debug, Clone, PartialEq)]
struct Size {
    /// `+`, `-` or nothing.
    operator: Option<char>,
    /// The number.
    number: f64,
    /// As it was written, without operator and unit.
    text: String,
    /// The unit's letter; empty for a share of extents.
    unit: String,
    /// `VG`, `PVS`, `FREE`, `ORIGIN` where it is a share.
    whole: Option<String>,
}

impl Size {
    fn parse(text: &str, snapshot: bool) -> Result<Self, Fail> {
        let operator = text.chars().next().filter(|c| matches!(c, '+' | '-'));
        let rest = &text[operator.map_or(0, char::len_utf8)..];
        if let Some((share, whole)) = rest.split_once('%') {
            let Ok(number) = share.parse::<i64>() else { crate::fail!("Bad size specification of '{rest}'") };
            if number > 100 {
                crate::fail!("Size percentage cannot be larger than 100%");
            }
            if whole == "ORIGIN" && !snapshot {
                crate::fail!("Percentage of ORIGIN supported only for snapshot volumes");
            }
            if !matches!(whole, "VG" | "PVS" | "FREE" | "ORIGIN") {
                crate::fail!("Specify extents as a percentage of VG|PVS|FREE|ORIGIN");
            }
            let (text, unit) = (rest.to_string(), String::new());
            return Ok(Size { operator, number: number as f64, text, unit, whole: Some(whole.into()) });
        }
        let unit = rest.chars().last().filter(|c| "bskmgtpe".contains(c.to_ascii_lowercase()));
        let digits = &rest[..rest.len() - unit.map_or(0, char::len_utf8)];
        match digits.parse::<f64>() {
            Ok(number) if digits.starts_with(|c: char| c.is_ascii_digit()) => Ok(Size {
                operator,
                number,
                text: digits.into(),
                unit: unit.map_or_else(|| "m".into(), String::from),
                whole: None,
            }),
            _ => Err(Fail::new(format!("Bad size specification of '{digits}'"))),
        }
    }

    /// `-L` or `-l` and the value.
    fn option(&self, letter: char) -> [String; 2] {
        let operator = self.operator.map(String::from).unwrap_or_default();
        [format!("-{letter}"), format!("{operator}{}{}", self.text, self.unit)]
    }

    fn letter(&self) -> char {
        if self.whole.is_some() { 'l' } else { 'L' }
    }
}

/// A volume as `lvs` has it; sizes in the unit asked for.
#[derive(Debug, Clone, PartialEq)]
struct Volume {
    name: String,
    size: f64,
    active: bool,
    thinpool: bool,
    thin: bool,
}

fn parse(list: &str) -> Vec<Volume> {
    list.lines()
        .filter_map(|line| {
            let [name, size, attr] = line.trim().split(';').collect::<Vec<_>>()[..] else { return None };
            Some(Volume {
                name: name.replace(['[', ']'], ""),
                size: size.parse().ok()?,
                active: attr.as_bytes().get(4) == Some(&b'a'),
                thinpool: attr.starts_with('t'),
                thin: attr.starts_with('V'),
            })
        })
        .collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (vg, state) = (args.req("vg")?, args.text("state"));
    let (lv, thinpool, snapshot) = (args.str("lv"), args.str("thinpool"), args.str("snapshot"));
    let size = match args.str("size").filter(|s| !s.is_empty()) {
        Some(text) => Some(Size::parse(&text, snapshot.is_some())?),
        None => None,
    };
    ctx.need("lvm")?;
    let unit = size.as_ref().map(|s| s.unit.as_str()).filter(|u| !u.is_empty()).unwrap_or("m").to_lowercase();
    let list = |program: &str, fields: &str, all: &[&str]| {
        let options = ["--noheadings", "--nosuffix", "-o", fields, "--units", &unit, "--separator", ";", &vg];
        ctx.run(&[&[program], all, options.as_slice()].concat())
    };
    let groups = list("vgs", "size,free,vg_extent_size", &[])?;
    let volumes = list("lvs", "lv_name,size,lv_attr", &["-a"])?;
    if !groups.ok() || !volumes.ok() {
        let msg = format!("Volume group {vg} does not exist.");
        return if state == "absent" {
            Ok(crate::out! {"changed": false, "stdout": msg})
        } else {
            Err(groups.fail(msg).with("err", groups.stderr.clone()))
        };
    }
    let numbers: Vec<f64> = groups.stdout.trim().split(';').map(|n| n.trim().parse::<f64>().unwrap_or(0.0)).collect();
    let [whole, free, extent] = numbers[..] else { crate::fail!("vgs said: {}", groups.stdout) };
    let volumes = parse(&volumes.stdout);
    let named = |name: &str| volumes.iter().find(|v| v.name == name);
    let wanted = match (&snapshot, &thinpool, &lv) {
        (Some(snapshot), _, _) => {
            let origin = volumes.iter().find(|v| Some(&v.name) == lv.as_ref() || Some(&v.name) == thinpool.as_ref());
            match origin {
                None => crate::fail!(
                    "Snapshot origin LV {} does not exist in volume group {vg}.",
                    lv.clone().unwrap_or_default()
                ),
                Some(o) if o.thinpool || thinpool.is_some() => {
                    crate::fail!("Snapshots of thin pool LVs are not supported.")
                }
                Some(_) => snapshot.clone(),
            }
        }
        (_, Some(pool), Some(lv)) => {
            if named(pool).is_none() {
                crate::fail!("Thin pool LV {pool} does not exist in volume group {vg}.");
            }
            lv.clone()
        }
        (_, Some(pool), None) => pool.clone(),
        (_, None, Some(lv)) => lv.clone(),
        (_, None, None) => crate::fail!("one of the following is required: lv, thinpool"),
    };
    let short = wanted.rsplit('/').next().unwrap_or(&wanted);
    let test: &[&str] = if ctx.check { &["--test"] } else { &[] };
    let Some(this) = volumes.iter().find(|v| v.name == wanted || v.name == short) else {
        if state == "absent" {
            return Ok(crate::out! {"changed": false, "msg": ""});
        }
        let origin_is_thin = snapshot.is_some() && lv.as_ref().and_then(|l| named(l)).is_some_and(|v| v.thin);
        let words = create(ctx, &vg, size.as_ref(), test, origin_is_thin)?;
        let ran = ctx.run(&words)?;
        if !ran.ok() {
            let msg = format!("Creating logical volume '{}' failed", lv.unwrap_or_default());
            return Err(ran.fail(msg).with("err", ran.stderr.clone()));
        }
        return Ok(crate::out! {"changed": true, "msg": ""});
    };
    let full = format!("{vg}/{}", this.name);
    if state == "absent" {
        if !args.bool("force") {
            crate::fail!("Sorry, no removal of logical volume {} without force=true.", this.name);
        }
        let ran = ctx.run(&[&["lvremove"], test, &["--force", &full]].concat())?;
        return if ran.ok() {
            Ok(crate::out! {"changed": true})
        } else {
            Err(ran.fail(format!("Failed to remove logical volume {}", this.name)).with("err", ran.stderr.clone()))
        };
    }
    let same = |msg: Option<&str>| {
        let mut out = crate::out! {"changed": false, "vg": vg, "lv": this.name, "size": this.size};
        if let Some(msg) = msg {
            out.insert("msg".into(), msg.into());
        }
        out
    };
    let mut changed = false;
    if let Some(size) = &size
        && let Some(grow) = direction(ctx, size, this, (whole, free, extent), &unit)?
    {
        let mut words: Vec<String> =
            if grow { vec!["lvextend".into()] } else { vec!["lvreduce".into(), "--force".into()] };
        if args.bool("resizefs") {
            words.push("--resizefs".into());
        }
        words.extend(test.iter().map(|t| t.to_string()));
        words.extend(size.option(size.letter()));
        words.push(full.clone());
        words.extend(args.strs("pvs"));
        let ran = ctx.run(&words)?;
        let said = |text: &str| ran.stdout.contains(text) || ran.stderr.contains(text);
        if said("matches existing size") && !ran.ok() {
            return Ok(same(None));
        }
        if said("not larger than existing size") && !ran.ok() {
            return Ok(same(Some("Original size is larger than requested size")));
        }
        if !ran.ok() || ran.stdout.contains("Reached maximum COW size") {
            let msg = format!("Unable to resize {} to {}{}", this.name, size.text, size.unit);
            return Err(ran.fail(msg).with("err", ran.stderr.clone()));
        }
        changed = true;
    }
    let active = args.bool("active");
    if this.active != active && !ctx.check {
        let (how, word) = if active { ("-ay", "activate") } else { ("-an", "deactivate") };
        let ran = ctx.run(&["lvchange", how, &full])?;
        if !ran.ok() {
            return Err(ran.fail(format!("Failed to {word} logical volume {}", this.name)));
        }
    }
    Ok(crate::out! {"changed": changed || this.active != active, "vg": vg, "lv": this.name, "size": this.size})
}

/// The command that makes the volume.
fn create(ctx: &Ctx, vg: &str, size: Option<&Size>, test: &[&str], thin_origin: bool) -> Result<Vec<String>, Fail> {
    let args = &ctx.args;
    let (lv, thinpool, snapshot) = (args.str("lv"), args.str("thinpool"), args.str("snapshot"));
    if let Some(size) = size.filter(|s| s.operator == Some('-')) {
        crate::fail!("Bad size specification of '-{}' for creating LV", size.text);
    }
    if size.is_none() && !thin_origin {
        crate::fail!("No size given.");
    }
    let plain = size.map(|s| Size { operator: None, ..s.clone() });
    let mut words = vec!["lvcreate".to_string()];
    words.extend(test.iter().map(|t| t.to_string()));
    words.push("--yes".into());
    let options = shlex::split(&args.text("opts")).unwrap_or_default();
    let sized = |letter: Option<char>| {
        plain.as_ref().map(|s| s.option(letter.unwrap_or_else(|| s.letter()))).into_iter().flatten()
    };
    match (snapshot, thinpool, lv) {
        (Some(snapshot), _, lv) => {
            words.extend(sized(None));
            words.extend(["-s".into(), "-n".into(), snapshot]);
            words.extend(options);
            words.push(format!("{vg}/{}", lv.unwrap_or_default()));
        }
        (None, Some(pool), lv) => {
            let thin = lv.is_some();
            if let Some(lv) = lv {
                if plain.as_ref().is_some_and(|s| s.whole.is_some()) {
                    crate::fail!("Thin volume sizing with percentage not supported.");
                }
                words.extend(["-n".into(), lv]);
            }
            words.extend(sized(thin.then_some('V')));
            words.extend(options);
            words.extend(["-T".into(), format!("{vg}/{pool}")]);
        }
        (None, None, lv) => {
            words.extend(["-n".into(), lv.unwrap_or_default()]);
            words.extend(sized(None));
            words.extend(options);
            words.push(vg.to_string());
            words.extend(args.strs("pvs"));
        }
    }
    Ok(words)
}

/// Whether the volume is to grow (`true`), to shrink, or neither.
fn direction(ctx: &Ctx, size: &Size, this: &Volume, vg: (f64, f64, f64), unit: &str) -> Result<Option<bool>, Fail> {
    let (whole, free, extent) = vg;
    let (shrink, force) = (ctx.args.bool("shrink"), ctx.args.bool("force"));
    let name = &this.name;
    if let Some(of) = &size.whole {
        let base = if matches!(of.as_str(), "VG" | "PVS") { whole } else { free };
        let share = size.number * base / 100.0;
        let asked = match size.operator {
            Some('+') => this.size + share,
            Some('-') => this.size - share,
            _ => share,
        };
        let asked = asked - asked % extent;
        if this.size < asked {
            let more = asked - this.size;
            if free <= 0.0 || free < more {
                crate::fail!(
                    "Logical Volume {name} could not be extended. Not enough free space left ({more}{unit} required / {free}{unit} available)"
                );
            }
            return Ok(Some(true));
        }
        if !shrink || this.size <= asked + extent {
            return Ok(None);
        }
        if asked < 1.0 {
            crate::fail!("Sorry, no shrinking of {name} to 0 permitted.");
        }
        if !force {
            crate::fail!("Sorry, no shrinking of {name} without force=true");
        }
        return Ok(Some(false));
    }
    if size.operator == Some('+') || size.operator.is_none() && size.number > this.size {
        return Ok(Some(true));
    }
    if size.operator == Some('-') || shrink && size.number < this.size {
        if size.number == 0.0 {
            crate::fail!("Sorry, no shrinking of {name} to 0 permitted.");
        }
        if !force {
            crate::fail!("Sorry, no shrinking of {name} without force=true.");
        }
        return Ok(Some(false));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_and_directions() {
        let size = |text: &str| Size::parse(text, false);
        assert_eq!(size("10g").unwrap().option('L'), ["-L".to_string(), "10g".into()]);
        assert_eq!(size("+100%FREE").unwrap().option('l'), ["-l".to_string(), "+100%FREE".into()]);
        assert_eq!(size("512").unwrap().unit, "m");
        for bad in ["x", "101%VG", "5%ORIGIN", "5%ALL", ".5g", ""] {
            assert!(size(bad).is_err(), "{bad}");
        }
        let this = parse("  [a];100.00;-wi-a-----\n").remove(0);
        assert!(this.active && this.name == "a");
        let call = |text: &str, force: bool| {
            let ctx = Ctx::test("lvol", json!({"vg": "v", "lv": "a", "force": force}));
            direction(&ctx, &size(text).unwrap(), &this, (1000.0, 900.0, 4.0), "m")
        };
        for (text, want) in
            [("200", Some(true)), ("100", None), ("50", Some(false)), ("100%FREE", Some(true)), ("10%VG", None)]
        {
            assert_eq!(call(text, true).unwrap(), want, "{text}");
        }
        assert!(call("50", false).is_err() && call("1%VG", false).is_err());
    }
}
