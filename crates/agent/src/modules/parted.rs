//! `parted`: partition tables and partitions, by parted.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::{Value, json};

const SI: &[&str] = &["B", "kB", "KB", "MB", "GB", "TB"];
const IEC: &[&str] = &["KiB", "MiB", "GiB", "TiB"];

/// `10.5MiB`: number and unit; `12,3,4` is cylinders, heads and sectors.
fn size(text: &str) -> Result<(Value, String), Fail> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(text.len());
    let unit = text[digits..].trim_start();
    if let Ok(number) = text[..digits].parse::<f64>()
        && unit.chars().all(|c| c.is_alphanumeric() || c == '%')
    {
        return Ok((json!(number), unit.to_string()));
    }
    let parts: Option<Vec<i64>> = text.split(',').map(|p| p.parse().ok()).collect();
    match parts.as_deref() {
        Some([cylinder, head, sector]) => {
            Ok((json!({"cylinder": cylinder, "head": head, "sector": sector}), "chs".into()))
        }
        _ => Err(Fail::new(format!("Error interpreting parted size output: '{text}'"))),
    }
}

/// parted's output for programs: the disk and its partitions.
fn parse(text: &str, unit: &str) -> Result<(Value, Vec<Value>), Fail> {
    let lines: Vec<Vec<&str>> =
        text.lines().filter(|l| !l.trim().is_empty()).map(|l| l.trim_end_matches(';').split(':').collect()).collect();
    let short = || Fail::new(format!("parted said what can't be read: {text}"));
    let disk = lines.get(1).filter(|d| d.len() >= 7).ok_or_else(short)?;
    let (whole, own) = size(disk[1])?;
    let unit = if own.is_empty() { unit.to_string() } else { own };
    let number = |t: &str| t.parse::<i64>().unwrap_or(0);
    let mut generic = json!({
        "dev": disk[0], "size": whole, "unit": unit.to_lowercase(), "table": disk[5], "model": disk[6],
        "logical_block": number(disk[3]), "physical_block": number(disk[4]),
    });
    let mut rest = &lines[2..];
    if matches!(unit.as_str(), "cyl" | "chs") {
        let chs = rest.first().filter(|c| c.len() >= 4).ok_or_else(short)?;
        let (cylinder, cylinder_unit) = size(chs[3])?;
        generic["chs_info"] = json!({
            "cylinders": number(chs[0]), "heads": number(chs[1]), "sectors": number(chs[2]), "cyl_size": cylinder,
            "cyl_size_unit": cylinder_unit.to_lowercase(),
        });
        rest = &rest[1..];
    }
    let mut parts = Vec::new();
    for row in rest {
        let skip = usize::from(unit != "chs");
        if row.len() < 6 + skip {
            return Err(short());
        }
        let flags: Vec<&str> = row[5 + skip].split(", ").map(str::trim).filter(|f| !f.is_empty()).collect();
        parts.push(json!({
            "num": number(row[0]), "begin": size(row[1])?.0, "end": size(row[2])?.0,
            "size": if skip == 1 { size(row[3])?.0 } else { json!("") },
            "fstype": row[3 + skip], "name": row[4 + skip], "flags": flags, "unit": unit.to_lowercase(),
        }));
    }
    Ok((generic, parts))
}

/// Bytes of a number in parted's units.
fn bytes(number: f64, unit: &str) -> i64 {
    let si = |u: &str| SI.iter().filter(|s| **s != "KB").position(|s| s.eq_ignore_ascii_case(u));
    let factor = if let Some(at) = IEC.iter().position(|i| i.eq_ignore_ascii_case(unit)) {
        1024f64.powi(at as i32 + 1)
    } else {
        si(unit).map_or(1e6, |at| 1000f64.powi(at as i32))
    };
    (number * factor) as i64
}

struct Parted<'a> {
    ctx: &'a Ctx,
    device: String,
    unit: String,
    fixes: bool,
}

impl Parted<'_> {
    fn info(&self) -> Result<(Value, Vec<Value>), Fail> {
        let ran = self.ctx.run(&["parted", "-s", "-m", &self.device, "--", "unit", &self.unit, "print"])?;
        if !ran.ok()
            && !ran.stderr.contains("unrecognised disk label")
            && !ran.stdout.contains("unrecognised disk label")
        {
            return Err(ran.fail(format!("Error while getting device information with parted: {}", ran.complaint())));
        }
        // Without a table parted says what it thinks of that first.
        let start = ran.stdout.find("BYT;").or_else(|| ran.stdout.find("CHS;")).or_else(|| ran.stdout.find("CYL;"));
        parse(start.map_or(ran.stdout.as_str(), |at| &ran.stdout[at..]), &self.unit)
    }

    fn script(&self, script: &[String]) -> Result<(), Fail> {
        if self.ctx.check {
            return Ok(());
        }
        let mut words = vec!["parted".to_string(), "-s".into()];
        if self.fixes {
            words.push("-f".into());
        }
        words.push("-m".into());
        let align = self.ctx.args.text("align");
        if align != "undefined" {
            words.extend(["-a".into(), align]);
        }
        words.extend([self.device.clone(), "--".into()]);
        words.extend_from_slice(script);
        let ran = self.ctx.run(&words)?;
        if ran.ok() {
            Ok(())
        } else {
            let (out, err) = (ran.stdout.clone(), ran.stderr.clone());
            let fail = ran.fail(format!("Error while running parted script: {}: {}", words.join(" "), ran.complaint()));
            Err(fail.with("out", out).with("err", err))
        }
    }
}

/// Whether parted knows `--fix`.
fn fixes(version: &str) -> bool {
    let number = version.lines().next().and_then(|l| l.rsplit(' ').next()).unwrap_or_default();
    let parts: Vec<u32> = number.split('.').map_while(|p| p.parse().ok()).collect();
    parts.as_slice() >= [3, 4, 64].as_slice()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    ctx.need("parted")?;
    let (device, unit, state) = (args.req("device")?, args.text("unit"), args.text("state"));
    let number = args.int("number");
    if number.is_some_and(|n| n < 1) {
        crate::fail!("The partition number must be greater then 0.");
    }
    let (start, end, label) = (args.text("part_start"), args.text("part_end"), args.text("label"));
    for (name, text) in [("part_start", &start), ("part_end", &end)] {
        let (_, given) = size(text)?;
        let known = ["", "s", "%", "cyl", "chs", "compact"].contains(&given.as_str());
        if !known && !SI.contains(&given.as_str()) && !IEC.contains(&given.as_str()) {
            crate::fail!("The argument '{name}' doesn't respect required format.The size unit is case sensitive.");
        }
    }
    let fixes = fixes(&ctx.must(&["parted", "--version"])?.stdout);
    let parted = Parted { ctx, device, unit: unit.clone(), fixes };
    let (disk, mut parts) = parted.info()?;
    let find = |parts: &[Value]| parts.iter().find(|p| p["num"].as_i64() == number).cloned();
    let with_unit = |script: Vec<String>| {
        let mut out = vec!["unit".to_string(), unit.clone()];
        out.extend(script);
        out
    };
    let n = number.unwrap_or_default().to_string();
    let (mut changed, mut done): (bool, Vec<String>) = (false, Vec::new());
    match state.as_str() {
        "present" => {
            let (mut script, mut resize): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
            let mut say = |words: &[&str]| script.extend(words.iter().map(|w| w.to_string()));
            let fresh = disk["table"] != json!(label);
            if fresh {
                say(&["mklabel", &label]);
            }
            if fresh || find(&parts).is_none() {
                say(&["mkpart", &args.text("part_type")]);
                if let Some(kind) = args.str("fs_type") {
                    say(&[&kind]);
                }
                say(&[&start, &end]);
            }
            if args.bool("resize")
                && let Some(part) = find(&parts)
            {
                let now = bytes(part["end"].as_f64().unwrap_or(0.0), &unit);
                let (asked, given) = size(&end)?;
                let asked = asked.as_f64().unwrap_or(0.0);
                let wanted = if given == "%" {
                    bytes((disk["size"].as_f64().unwrap_or(0.0).trunc() * asked / 100.0).trunc(), &unit)
                } else {
                    bytes(asked, if given.is_empty() { &unit } else { &given })
                };
                if now != wanted {
                    resize.extend(["resizepart".into(), n.clone(), end.clone()]);
                }
            }
            if !script.is_empty() {
                script = with_unit(script);
            }
            // The end has a unit of its own.
            for script in [script, resize].into_iter().filter(|script| !script.is_empty()) {
                parted.script(&script)?;
                done.extend(script);
                changed = true;
                if !ctx.check {
                    parts = parted.info()?.1;
                }
            }
            let part = if changed && ctx.check { Some(json!({"flags": []})) } else { find(&parts) };
            if let Some(part) = part {
                let mut script: Vec<String> = Vec::new();
                if let Some(name) = args.str("name").filter(|name| part["name"].as_str() != Some(name)) {
                    script.extend(["name".into(), n.clone(), format!("\"{name}\"")]);
                }
                let mut flags = args.strs("flags");
                if flags.iter().any(|f| f == "esp") && !flags.iter().any(|f| f == "boot") {
                    flags.push("boot".into());
                }
                if !flags.is_empty() {
                    let have: Vec<String> =
                        part["flags"].as_array().into_iter().flatten().map(crate::args::text).collect();
                    let mut set = |flag: &String, on: &str| {
                        script.extend(["set".into(), n.clone(), flag.clone(), on.into()]);
                    };
                    flags.iter().filter(|f| !have.contains(f)).for_each(|f| set(f, "on"));
                    have.iter().filter(|f| !flags.contains(f)).for_each(|f| set(f, "off"));
                }
                if !script.is_empty() {
                    let script = with_unit(script);
                    parted.script(&script)?;
                    done.extend(script);
                    changed = true;
                }
            }
        }
        "absent" => {
            if find(&parts).is_some() {
                done = vec!["rm".into(), n];
                parted.script(&done)?;
                changed = true;
            }
        }
        _ => done = vec!["unit".into(), unit.clone(), "print".into()],
    }
    let (disk, parts) = parted.info()?;
    Ok(crate::out! {"changed": changed, "disk": disk, "partitions": parts, "script": done})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parted_says() {
        let text = "BYT;\n/dev/sdb:1048576kiB:scsi:512:512:gpt:QEMU HARDDISK:;\n1:1024kiB:1047552kiB:1046528kiB:ext4:data:boot, esp;\n";
        let (disk, parts) = parse(text, "KiB").unwrap();
        assert_eq!((&disk["table"], &disk["size"], &disk["unit"]), (&json!("gpt"), &json!(1048576.0), &json!("kib")));
        assert_eq!((&parts[0]["num"], &parts[0]["flags"]), (&json!(1), &json!(["boot", "esp"])));
        assert!(parse("BYT;\n", "KiB").is_err());
        assert_eq!(size("100%").unwrap(), (json!(100.0), "%".into()));
        assert_eq!(size("1,2,3").unwrap().1, "chs");
        assert_eq!((bytes(1.0, "MiB"), bytes(2.0, "kB"), bytes(3.0, "B")), (1 << 20, 2000, 3));
        assert!(fixes("parted (GNU parted) 3.5\n") && !fixes("parted (GNU parted) 3.4\n"));
    }
}
