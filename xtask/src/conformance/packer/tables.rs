//! More tables of Packer's own tests of its commands, read from a checkout that the user brings: consoles that are piped into,
//! listings, output that must (not) appear, single calls with a wanted exit code, `hcl2_upgrade`'s pairs.

use super::Outcome;
use super::go::{self, Token};
use super::programs::{Pair, run};
use super::sources::{Row, read, table};
use anyhow::Result;
use std::path::Path;

/// Rows of tables that only need a command line.
pub fn rows(command: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let tokens = |file: &str| -> Result<Vec<Token>> { Ok(go::tokens(&read(&command.join(file))?)) };

    let console = tokens("console_test.go")?;
    for (i, case) in table(&console, "Test_console", "tc").iter().enumerate() {
        let fields = go::fields(case);
        let [piped, args, env, expected] = fields.as_slice() else { continue };
        let mut row = Row::new(command, go::list(args), 0);
        row.case = format!("packer/console {i}: {}", go::text(piped));
        row.input = Some(go::text(piped));
        row.env = go::list(env);
        // `help` is our own text.
        let ours = matches!(expected.first(), Some(Token::Word(w)) if w.ends_with("ConsoleHelp"));
        let cwd = matches!(expected.first(), Some(Token::Word(_))) && go::text(piped) == "path.cwd";
        row.output = (!ours).then(|| if cwd { "{cwd}\n".to_owned() } else { go::text(expected) });
        rows.push(row);
    }
    let inspect = tokens("inspect_test.go")?;
    for (i, case) in table(&inspect, "Test_commands", "tc").iter().enumerate() {
        let fields = go::fields(case);
        let [args, env, expected] = fields.as_slice() else { continue };
        let mut row = Row::new(command, go::list(args), 0);
        row.case = format!("packer/inspect {i}");
        row.env = go::list(env);
        row.output = Some(match expected.first() {
            // The content of a file of the fixtures.
            Some(Token::Word(w)) if w == "testFixtureContent" => {
                read(&command.join("test-fixtures").join(go::text(expected)))?
            }
            _ => go::text(expected),
        });
        rows.push(row);
    }
    let build = tokens("build_test.go")?;
    for case in table(&build, "Test_build_output", "tc") {
        let fields = go::fields(&case);
        let [args, _, expected, absent, runtime] = fields.as_slice() else { continue };
        if go::text(runtime) == "windows" {
            continue;
        }
        let mut row = Row::new(command, go::list(args), 0);
        (row.says, row.silent) = (go::list(expected), go::list(absent));
        rows.push(row);
    }
    for case in table(&build, "TestBuildCommand_HCLOnlyExceptOptions", "tests") {
        let fields = go::fields(&case);
        let [args, present, absent, code] = fields.as_slice() else { continue };
        let words = [vec!["build".into()], go::list(args), vec!["test-fixtures/hcl-only-except".into()]].concat();
        let mut row = Row::new(command, words, number(code));
        (row.expected, row.absent) = (go::list(present), go::list(absent));
        rows.push(row);
    }
    for name in ["TestProvisionerAndPostProcessorOnlyExcept", "TestBuildCmd"] {
        for case in table(&build, name, "tests") {
            let named = go::field(&case, "args").map(|args| (go::list(args), go::field(&case, "expectedCode")));
            let fields = go::fields(&case);
            let (args, code) = match (named, fields.as_slice()) {
                (Some((args, code)), _) => (args, code.map_or(0, number)),
                (None, [_, args, code, ..]) => (go::list(args), number(code)),
                _ => continue,
            };
            let mut row = Row::new(command, [vec!["build".into()], args].concat(), code);
            // What the row's function looks for in the output.
            let checks = |negated: bool| {
                let found = case.windows(7).filter_map(move |w| match w {
                    [
                        before,
                        Token::Word(f),
                        Token::Mark('('),
                        Token::Word(out),
                        Token::Mark(','),
                        Token::Text(text),
                        Token::Mark(')'),
                    ] if f == "strings.Contains" && out == "out" && (*before == Token::Mark('!')) == negated => {
                        Some(text.clone())
                    }
                    _ => None,
                });
                found.collect::<Vec<_>>()
            };
            (row.says, row.silent) = (checks(true), checks(false));
            rows.push(row);
        }
    }
    let validate = tokens("validate_test.go")?;
    for case in table(&validate, "TestValidateCommandExcept", "tt") {
        let args = go::field(&case, "args").map(go::list).unwrap_or_default();
        let code = go::field(&case, "exitCode").map_or(0, number);
        rows.push(Row::new(command, [vec!["validate".into()], args].concat(), code));
    }
    for (name, flag) in [
        ("TestValidateCommand_VarFiles", None),
        ("TestValidateCommand_VarFilesWarnOnUndeclared", None),
        ("TestValidateCommand_VarFilesDisableWarnOnUndeclared", Some("-no-warn-undeclared-var")),
    ] {
        for case in table(&validate, name, "tt") {
            let text = |field: &str| go::field(&case, field).map(go::text).unwrap_or_default();
            let mut args = vec!["validate".to_owned()];
            args.extend(flag.map(str::to_owned));
            args.extend(["-var-file".to_owned(), text("varfile"), text("path")]);
            let mut row = Row::new(command, args, go::field(&case, "exitCode").map_or(0, number));
            row.case.push_str(&format!(" ({name})"));
            if name.contains("WarnOnUndeclared") {
                let said = vec!["Warning: Undefined variable".to_owned()];
                (row.says, row.silent) = if flag.is_some() { (Vec::new(), said) } else { (said, Vec::new()) };
            }
            rows.push(row);
        }
    }
    for (file, verb) in
        [("fix_test.go", "fix"), ("fmt_test.go", "fmt"), ("build_test.go", "build"), ("validate_test.go", "validate")]
    {
        let tokens = tokens(file)?;
        for (name, body) in go::functions(&tokens) {
            rows.extend(single(command, verb, name, body));
        }
    }
    Ok(rows)
}

/// A test of one call: `args := []string{…}` and `code != N`.
fn single(command: &Path, verb: &str, name: &str, body: &[Token]) -> Option<Row> {
    let is = |t: &Token, w: &str| matches!(t, Token::Word(x) if x == w);
    let args =
        body.windows(3).position(|w| is(&w[0], "args") && w[1] == Token::Mark(':') && w[2] == Token::Mark('='))?;
    let code = body.windows(4).find_map(|w| match w {
        [Token::Word(code), Token::Mark('!'), Token::Mark('='), Token::Word(n)] if code == "code" => n.parse().ok(),
        _ => None,
    })?;
    // Versions and environments that these set are set inside of the process, and rows of tables have been read already.
    let inside = ["tt", "tc", "t.Setenv", "datasourceMock"].iter().any(|word| body.iter().any(|t| is(t, word)));
    let versioned = body.iter().any(|t| is(t, "c.CoreConfig.Version"));
    if inside || versioned || !name.starts_with("Test") {
        return None;
    }
    let mut row = Row::new(command, [vec![verb.to_owned()], go::list(&body[args + 3..])].concat(), code);
    row.case = format!("packer/{name}");
    let mut last: Vec<String> = Vec::new();
    for (i, window) in body.windows(2).enumerate() {
        match window {
            // `for _, f := range []string{…} { if fileExists(f)`
            [Token::Word(range), Token::Mark('[')] if range == "range" => last = go::list(&body[i + 1..]),
            [Token::Word(files), Token::Mark(':')] if files == "files" => last = go::list(&body[i + 1..]),
            [Token::Word(f), Token::Mark('(')] if f == "fileExists" => {
                let names = match &body[i + 2] {
                    Token::Text(text) => vec![text.clone()],
                    _ => std::mem::take(&mut last),
                };
                let negated = i > 0 && body[i - 1] == Token::Mark('!');
                if negated { row.expected.extend(names) } else { row.absent.extend(names) }
            }
            _ => {}
        }
    }
    Some(row)
}

fn number(value: &[Token]) -> i32 {
    match value {
        [Token::Word(number)] => number.parse().unwrap_or(0),
        _ => 0,
    }
}

/// `hcl2_upgrade`: exit code and the file, apart from comments and empty lines.
pub fn upgrades(pair: &Pair, command: &Path, filter: &str) -> Result<Vec<Outcome>> {
    let tokens = go::tokens(&read(&command.join("hcl2_upgrade_test.go"))?);
    let mut outcomes = Vec::new();
    for case in table(&tokens, "Test_hcl2_upgrade", "tc") {
        let folder = go::field(&case, "folder").map(go::text).unwrap_or_default();
        let name = format!("packer/hcl2_upgrade {folder}");
        if !name.contains(filter) {
            continue;
        }
        let dir = command.join("test-fixtures/hcl2_upgrade").join(&folder);
        let scratch = tempfile::tempdir()?;
        let flags = go::field(&case, "flags").map(go::list).unwrap_or_default();
        let out = scratch.path().join("out.pkr.hcl");
        let words = [
            vec!["hcl2_upgrade".to_owned(), format!("-output-file={}", out.display())],
            flags,
            vec![dir.join("input.json").display().to_string()],
        ];
        let done = run(&pair.ours, &words.concat(), scratch.path(), None)?;
        let theirs = go::field(&case, "exitCode").map_or(0, number).to_string();
        outcomes.push(Outcome { case: name.clone(), ours: done.code.to_string(), theirs, said: done.text() });
        let Ok(expected) = std::fs::read_to_string(dir.join("expected.pkr.hcl")) else { continue };
        let (ours, theirs) = (plain(&std::fs::read_to_string(&out).unwrap_or_default()), plain(&expected));
        outcomes.push(Outcome {
            case: format!("{name} file"),
            ours: if ours == theirs { "the same" } else { "differs" }.into(),
            theirs: "the same".into(),
            said: difference(&ours, &theirs),
        });
    }
    Ok(outcomes)
}

fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

fn difference(ours: &str, theirs: &str) -> String {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.lines().collect(), theirs.lines().collect());
    let mut out: Vec<String> = ours.iter().filter(|l| !theirs.contains(l)).map(|l| format!("+ {l}")).collect();
    out.extend(theirs.iter().filter(|l| !ours.contains(l)).map(|l| format!("- {l}")));
    out.join("\n")
}
