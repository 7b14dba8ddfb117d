//! The tables of Packer's own tests, read from a checkout that the user brings: which input must succeed and which must fail.
//! Nothing of them is kept.

use super::Outcome;
use super::go::{self, Token};
use super::programs::{Pair, copy, each, run as go_run};
use super::tables;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// One row: run these, in a copy of that folder.
pub struct Row {
    pub case: String,
    pub dir: PathBuf,
    pub args: Vec<String>,
    pub exit: i32,
    /// Files that must be there afterwards, and such that must not.
    pub expected: Vec<String>,
    pub absent: Vec<String>,
    /// Standard input.
    pub input: Option<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// All of standard output; `{cwd}` is the folder.
    pub output: Option<String>,
    /// What must appear in the output, and what must not.
    pub says: Vec<String>,
    pub silent: Vec<String>,
}

impl Row {
    /// A row that wants an exit code.
    pub fn new(dir: &Path, args: Vec<String>, exit: i32) -> Row {
        Row {
            case: format!("packer/{}", args.join(" ")),
            dir: dir.to_owned(),
            args,
            exit,
            expected: Vec::new(),
            absent: Vec::new(),
            input: None,
            env: Vec::new(),
            output: None,
            says: Vec::new(),
            silent: Vec::new(),
        }
    }
}

/// hashicorp/packer: the commands' tables and what the HCL parser's tests expect.
pub fn packer(pair: &Pair, source: &Path, filter: &str) -> Result<Vec<Outcome>> {
    let mut rows = Vec::new();
    let command = source.join("command");
    let validate = go::tokens(&read(&command.join("validate_test.go"))?);
    for (function, extra) in [("TestValidateCommand", &[][..]), ("TestValidateCommand_SyntaxOnly", &["-syntax-only"])] {
        for row in table(&validate, function, "tt") {
            let path = go::field(&row, "path").map(go::text).unwrap_or_default();
            let mut args = vec!["validate".to_owned()];
            args.extend(extra.iter().map(|a| (*a).to_owned()));
            args.extend(go::field(&row, "extraArgs").map(go::list).unwrap_or_default());
            args.push(path);
            rows.push(Row::new(&command, args, number(&row, "exitCode")));
        }
    }
    let build = go::tokens(&read(&command.join("build_test.go"))?);
    for row in table(&build, "TestBuild", "tc") {
        let mut args = vec!["build".to_owned()];
        args.extend(go::field(&row, "args").map(go::list).unwrap_or_default());
        let mut made = Row::new(&command, args, number(&row, "expectedCode"));
        made.case = format!("packer/build/{}", go::field(&row, "name").map(go::text).unwrap_or_default());
        if let Some(check) = go::field(&row, "fileCheck") {
            let inner = &check[check.iter().position(|t| *t == Token::Mark('{')).map_or(0, |i| i + 1)..];
            let inner = &inner[..inner.len().saturating_sub(1)];
            made.expected = go::field(inner, "expected").map(go::list).unwrap_or_default();
            made.expected.extend(go::field(inner, "expectedContent").map(go::keys).unwrap_or_default());
            made.absent = go::field(inner, "notExpected").map(go::list).unwrap_or_default();
        }
        rows.push(made);
    }
    rows.extend(tables::rows(&command)?);
    rows.extend(hcl(source)?);
    let mut outcomes = all(pair, rows, filter)?;
    outcomes.extend(tables::upgrades(pair, &command, filter)?);
    Ok(outcomes)
}

/// `hcl2template`: a row that parses and gives builds must be listed by `inspect`; one that does not must fail `validate`.
fn hcl(source: &Path) -> Result<Vec<Row>> {
    let dir = source.join("hcl2template");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|p| p.to_string_lossy().ends_with("_test.go"));
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let tokens = go::tokens(&read(&file)?);
        for row in go::rows(&tokens, &["tests", ":", "=", "[", "]", "parseTest"]) {
            let fields = go::fields(&row);
            let [name, _, args, _, _, parse_fails, _, builds_fail, ..] = fields.as_slice() else { continue };
            let Some(open) = args.iter().position(|t| *t == Token::Mark('{')) else { continue };
            let inner = &args[open + 1..args.len() - 1];
            let given = go::fields(inner);
            let path = given.first().map(|f| go::text(f)).unwrap_or_default();
            let yes = |f: &[Token]| matches!(f, [Token::Word(w)] if w == "true");
            let exit = i32::from(yes(parse_fails) || yes(builds_fail));
            let mut args = vec![if exit == 0 { "inspect" } else { "validate" }.to_owned()];
            for value in given.get(1).into_iter().flat_map(|f| go::pairs(f)) {
                args.extend(["-var".to_owned(), format!("{}={}", value.0, value.1)]);
            }
            args.extend(given.get(2).into_iter().flat_map(|f| go::list(f)).map(|f| format!("-var-file={f}")));
            args.push(path);
            let mut made = Row::new(&dir, args, exit);
            made.case = format!("packer/hcl/{}", go::text(name));
            rows.push(made);
        }
    }
    Ok(rows)
}

/// hashicorp/packer-plugin-sdk: what parses, and what is a sound template.
pub fn sdk(pair: &Pair, source: &Path, filter: &str) -> Result<Vec<Outcome>> {
    let dir = source.join("template");
    let mut rows = Vec::new();
    for file in ["parse_test.go", "template_test.go"] {
        let tokens = go::tokens(&read(&dir.join(file))?);
        let heads: [&[&str]; 2] = [&["cases", ":", "=", "[", "]"], &["tests", ":", "=", "[", "]"]];
        for row in heads.iter().flat_map(|head| go::rows(&tokens, head)) {
            let fields = go::fields(&row);
            let Some(name) = fields.first().map(|f| go::text(f)).filter(|n| n.ends_with(".json")) else { continue };
            let fails = matches!(fields.last(), Some([Token::Word(w)]) if w == "true");
            // The builders of these files exist nowhere: what is sound is listed, what is not is refused.
            let kind: &[&str] = match (name.starts_with("validate"), fails) {
                (true, false) => &["inspect"],
                (true, true) => &["validate"],
                (false, _) => &["validate", "-syntax-only"],
            };
            let mut args: Vec<String> = kind.iter().map(|a| (*a).to_owned()).collect();
            args.push(format!("test-fixtures/{name}"));
            let mut made = Row::new(&dir, args, i32::from(fails));
            made.case = format!("sdk/{name}");
            rows.push(made);
        }
    }
    for entry in std::fs::read_dir(dir.join("test-fixtures"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("error-") || name.starts_with("malformed") {
            let args = vec!["validate".into(), "-syntax-only".into(), format!("test-fixtures/{name}")];
            let mut made = Row::new(&dir, args, 1);
            made.case = format!("sdk/{name}");
            rows.push(made);
        }
    }
    all(pair, rows, filter)
}

/// A file of the checkout.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The table `name` of a test function.
pub fn table(tokens: &[Token], function: &str, name: &str) -> Vec<Vec<Token>> {
    let at = tokens.windows(2).position(|w| w == [Token::Word("func".into()), Token::Word(function.into())]);
    at.map_or_else(Vec::new, |at| go::rows(&tokens[at..], &[name, ":", "=", "[", "]"]))
}

fn number(row: &[Token], name: &str) -> i32 {
    match go::field(row, name) {
        Some([Token::Word(number)]) => number.parse().unwrap_or(0),
        _ => 0,
    }
}

/// Runs our program on every row, each in a copy of its folder of fixtures.
fn all(pair: &Pair, rows: Vec<Row>, filter: &str) -> Result<Vec<Outcome>> {
    let rows: Vec<Row> = rows.into_iter().filter(|r| r.case.contains(filter)).collect();
    anyhow::ensure!(!rows.is_empty() || !filter.is_empty(), "no rows were found: is this the right checkout?");
    each(&rows, |row| {
        let scratch = tempfile::tempdir()?;
        for fixtures in ["test-fixtures", "testdata", "fixtures"] {
            if row.dir.join(fixtures).is_dir() {
                copy(&row.dir.join(fixtures), &scratch.path().join(fixtures))?;
            }
        }
        // `/tmp` may be a link.
        let dir = scratch.path().canonicalize()?;
        let input = row.input.as_ref().map(|_| dir.join(".input"));
        if let (Some(path), Some(text)) = (&input, &row.input) {
            std::fs::write(path, text)?;
        }
        let words = [row.env.clone(), vec![pair.ours.display().to_string()], row.args.clone()].concat();
        let done = go_run(Path::new("env"), &words, &dir, input.as_deref())?;
        let there = |name: &String| dir.join(name).exists();
        let mut ours = done.code.to_string();
        if let Some(missing) = row.expected.iter().find(|f| !there(f)) {
            ours.push_str(&format!(", no {missing}"));
        }
        if let Some(wrong) = row.absent.iter().find(|f| there(f)) {
            ours.push_str(&format!(", but {wrong}"));
        }
        let wanted = row.output.as_ref().map(|text| text.replace("{cwd}", &dir.to_string_lossy()));
        if wanted.as_ref().is_some_and(|text| *text != done.stdout) {
            ours.push_str(", other output");
        }
        let text = done.text();
        if let Some(missing) = row.says.iter().find(|t| !text.contains(*t)) {
            ours.push_str(&format!(", not {missing:?}"));
        }
        if let Some(wrong) = row.silent.iter().find(|t| text.contains(*t)) {
            ours.push_str(&format!(", but {wrong:?}"));
        }
        let said = format!("{text}\nwanted:\n{}", wanted.unwrap_or_default());
        Ok(Outcome { case: row.case.clone(), ours, theirs: row.exit.to_string(), said })
    })
}
