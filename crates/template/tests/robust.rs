//! Arbitrary input: nothing panics, nothing runs for ever. The texts come from a small generator that gives the same ones each
//! time: pieces of the language at hand, put together, cut and repeated at random. `fuzz/` goes on where this ends.

use imgbuild_diag::{Source, Span};
use imgbuild_template::console::Console;
use imgbuild_template::hcl::functions::{self, Ctx};
use imgbuild_template::hcl::{Number, Type, Value, format, json as hcl_json};
use imgbuild_template::json::{self, Duplicates};
use imgbuild_template::{Ambient, Context, LoadOptions, Spanned, interpolate};
use std::path::Path;
use std::sync::Arc;

/// Marsaglia's xorshift: the same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Pieces put together; sometimes one is repeated, cut in two, or a stray letter is put in.
    fn text(&mut self, pieces: &[&str], longest: usize) -> String {
        let mut out = String::new();
        for _ in 0..self.below(longest) {
            let piece = *self.one(pieces);
            match self.below(12) {
                0 => out.push_str(&piece.repeat(self.below(40))),
                1 => out.extend(piece.chars().take(self.below(piece.len() + 1))),
                2 => out.push(char::from_u32(self.below(0x300) as u32).unwrap_or('\u{fffd}')),
                3 => out.push(*self.one(&['\0', '\u{feff}', '\u{2028}', '😀', '\r', '\t', '\\', '"'])),
                _ => out.push_str(piece),
            }
        }
        out
    }
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"a\"",
    "\"builders\"",
    "null",
    "true",
    "false",
    "1",
    "-1.5e3",
    "1e999",
    "\"\\u00e9\"",
    "\"\\ud800\"",
    "\"",
    "\\",
    " ",
    "\n",
    "0",
    "{\"type\":\"null\"}",
    "\"\\n\"",
    "[[",
    "{\"a\":[",
];

const GO: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "user `a`",
    "upper `x`",
    "| ",
    ".",
    ".X",
    "$x := ",
    "$x",
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define \"t\"",
    "template \"t\"",
    "block \"t\" .",
    "printf \"%[2]*.[1]*f\" ",
    "printf \"%099999d\" 1",
    "index ",
    "len ",
    "slice `abc` 1 9",
    "(",
    ")",
    "`",
    "\"",
    "'a'",
    "0x1p-2",
    "1e400",
    "9223372036854775808",
    "/*",
    "*/",
    "text",
    " ",
    "\n",
    "eq 1 ",
    "and ",
    "or ",
    "not ",
    "print ",
    "html ",
    "js ",
    "urlquery ",
    "call ",
    "break",
    "continue",
    "split `a-b` `-` 7",
    "isotime \"2006\"",
    "replace ",
    "replace_all `` `x` `abc`",
    "{{user `a`}}",
    "nil",
    "true",
];

const HCL: &[&str] = &[
    "a",
    " = ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\"${",
    "}\"",
    "\"%{ if ",
    "<<EOT\n",
    "<<-EOT\n",
    "EOT\n",
    "for x in ",
    " : ",
    " => ",
    "...",
    "var.x",
    "[*]",
    ".*",
    "# c\n",
    "// c\n",
    "/* ",
    " */",
    "1",
    "1.5e3",
    "true",
    "null",
    "block \"l\" {\n",
    " ? ",
    "&&",
    "==",
    "-",
    "!",
    ",",
    "x.0",
    "if ",
    "$${",
    "\\u00e9",
    " ",
];

const PIECES: &[&str] = &[
    "a",
    "(",
    ")",
    "[",
    "]",
    "[^",
    "\\d",
    "\\pL",
    "\\p{",
    "{2}",
    "{1000}",
    "{,",
    "*",
    "+",
    "?",
    "|",
    "^",
    "$",
    ".",
    "(?P<n>",
    "(?i)",
    "\\Q",
    "\\E",
    "[:alpha:]",
    "-",
    "%s",
    "%[1]d",
    "%05.3f",
    "%v",
    "%",
    "%#x",
    "YYYY",
    "'",
    "hh",
    "Z",
    "2018-01-02T23:12:01Z",
    "1h",
    "-",
    "10.0.0.0/8",
    "::/0",
    "/",
    "é",
    ",",
    "\n",
    "\"",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "{",
    "}",
    "0",
    "9",
    "~",
    "|\n  x",
    "---\n",
    "AA==",
    "utf-16",
    "windows-1252",
    "..",
    "**",
    "x",
];

fn context() -> Context {
    let ambient = Arc::new(Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/nowhere"));
    let user = [("a".to_owned(), "{{user `a`}}x".to_owned())].into_iter().collect();
    Context::new(ambient).with_user(Arc::new(user))
}

#[test]
fn json_of_any_kind() {
    let mut dice = Dice(1);
    for _ in 0..4000 {
        let text = dice.text(JSON, 30);
        let source = Source::new("t.json", text.clone());
        let read = json::parse(&source, Duplicates::Refuse);
        if let Err(problems) = read {
            // Every place can be shown.
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
        if let Ok(value) = hcl_json::decode(&text) {
            let again = hcl_json::encode(&value).unwrap();
            assert_eq!(hcl_json::decode(&again).unwrap(), value, "{text}");
        }
    }
    for deep in ["[", "{\"a\":", "[{\"a\":"] {
        let text = deep.repeat(100_000);
        assert!(hcl_json::decode(&text).is_err());
        let ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/nowhere");
        let ctx = Ctx::new(&ambient, Path::new("/nowhere"));
        assert!(functions::call("yamldecode", &[Value::string(text.replace('"', ""))], &ctx).is_err());
        assert!(json::parse(&Source::new("t.json", text), Duplicates::Refuse).is_err());
    }
}

#[test]
fn go_templates_of_any_kind() {
    let (mut dice, context) = (Dice(2), context());
    for _ in 0..4000 {
        let text = dice.text(GO, 14);
        let source = Source::new("t", text.clone());
        let place = Span::new(&source, 0..text.len());
        let _ = interpolate::check(&text, &place, &context);
        if let Err(problem) = interpolate::render(&Spanned::new(text, place), &context) {
            assert!(!problem.to_string().is_empty());
        }
    }
    for deep in ["{{if true}}", "{{(", "{{print (print ", "{{range .}}", "{{with 1}}"] {
        let text = deep.repeat(20_000);
        let place = Span::new(&Source::new("t", text.clone()), 0..text.len());
        let _ = interpolate::render_once(&text, &place, &context);
    }
}

#[test]
fn formatting_is_a_fixed_point() {
    let mut dice = Dice(3);
    for _ in 0..4000 {
        let text = dice.text(HCL, 25);
        let source = Source::new("t.pkr.hcl", text.clone());
        if format::check(&source).is_err() {
            continue;
        }
        let once = format::format(&text);
        assert_eq!(format::format(&once), once, "{text:?}");
        assert!(format::check(&Source::new("t.pkr.hcl", once.clone())).is_ok(), "{text:?} became {once:?}");
    }
}

const EXPRESSIONS: &[&str] = &[
    "1",
    "2.5",
    "\"a\"",
    "\"${",
    "}\"",
    "\"%{ for x in [1] }",
    "%{ endfor }\"",
    "%{ if true }",
    "true",
    "null",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "a = ",
    "for x in ",
    "for k, v in ",
    " : ",
    " => ",
    "...",
    "if ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " && ",
    " || ",
    "!",
    "-",
    " ? ",
    ",",
    ".a",
    "[0]",
    "[\"a\"]",
    "[*]",
    ".*",
    "path.cwd",
    "var",
    "local",
    "upper(",
    "range(40)",
    "try(",
    "can(",
    "convert(",
    "jsondecode(\"[1]\")",
    "setproduct(range(9), range(9))",
    "list(string)",
    "<<-EOT\n x\nEOT\n",
    "\n",
    "concat(",
    "merge(",
    "1e400",
    "[for x in range(50) : range(50)]",
];

#[test]
fn expressions_of_any_kind() {
    let mut dice = Dice(5);
    let ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/nowhere");
    let options = LoadOptions { hcl: true, ..LoadOptions::new(Arc::new(ambient)) };
    let console = Console::open(None, &options).unwrap();
    for _ in 0..1500 {
        let line = dice.text(EXPRESSIONS, 12);
        if let Err(problems) = console.answer(&line) {
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()), "{line:?}");
        }
    }
    for deep in ["[", "(", "{a=", "!", "-", "1+", "upper(", "\"${", "true ? ", "[for x in [1]: "] {
        assert!(console.answer(&deep.repeat(1_000)).is_err(), "{deep}");
    }
    assert!(console.answer("setproduct(range(1000), range(1000))").is_err());
    for (open, close) in [("[", "]"), ("(", ")"), ("upper(", ")"), ("\"${", "}\"")] {
        let _ = console.answer(&format!("{}1{}", open.repeat(300), close.repeat(300)));
    }
}

#[test]
fn functions_take_anything() {
    let mut dice = Dice(4);
    let ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/nowhere");
    let ctx = Ctx::new(&ambient, Path::new("/nowhere"));
    // Slow on purpose, or about files.
    let left_out = ["bcrypt", "fileset", "env"];
    let names: Vec<&str> =
        functions::names().into_iter().filter(|n| functions::exists(n) && !left_out.contains(n)).collect();
    for round in 0..12_000 {
        let name = names[round % names.len()];
        let args: Vec<Value> = (0..dice.below(5)).map(|_| value(&mut dice, 3)).collect();
        match functions::call(name, &args, &ctx) {
            Ok(result) => {
                let _ = (result.ty(), hcl_json::encode(&result), format!("{result:?}"));
                if args.iter().any(Value::is_sensitive) {
                    assert!(result.has_sensitive(), "{name} of a sensitive value is one");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn deep_values_are_handled() {
    let ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/nowhere");
    let ctx = Ctx::new(&ambient, Path::new("/nowhere"));
    let deep = hcl_json::decode(&format!("{}1{}", "[".repeat(490), "]".repeat(490))).unwrap();
    for name in ["jsonencode", "yamlencode", "flatten", "length", "reverse", "sum", "distinct"] {
        let _ = functions::call(name, std::slice::from_ref(&deep), &ctx);
    }
    for name in ["setunion", "concat", "setproduct", "contains", "merge", "coalesce"] {
        let _ = functions::call(name, &[deep.clone(), deep.clone()], &ctx);
    }
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    let kinds = if depth == 0 { 6 } else { 10 };
    let made = match dice.below(kinds) {
        0 => Value::null(),
        1 => Value::from(dice.below(2) == 0),
        2 => Value::int(dice.below(40) as i64 - 5),
        3 => {
            let texts = ["0.5", "1e30", "-1e300", "123456789012345678901234567890", "1e-20", "9223372036854775808"];
            Number::parse(texts[dice.below(texts.len())]).unwrap().into()
        }
        4 | 5 => Value::string(dice.text(PIECES, 6)),
        6 => Value::tuple((0..dice.below(4)).map(|_| value(dice, depth - 1)).collect()),
        7 => Value::object((0..dice.below(4)).map(|i| (["a", "b", "c"][i % 3], value(dice, depth - 1)))),
        8 => Value::strings((0..dice.below(4)).map(|_| dice.text(PIECES, 3)).collect::<Vec<_>>()),
        _ if dice.below(4) == 0 => Value::unknown(Type::Any),
        _ => Value::set(Type::Number, (0..dice.below(4)).map(|i| Value::int(i as i64)).collect()),
    };
    made.sensitive_if(dice.below(30) == 0)
}
