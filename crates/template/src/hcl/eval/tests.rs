//! Expressions and their values. Expected texts are those that Packer 1.6.6 prints for the same expressions as locals.

use crate::Ambient;
use crate::hcl::overview::printable;
use crate::hcl::scope::{Callable, Env, Surroundings};
use crate::hcl::syntax;
use crate::hcl::value::Value;
use imgbuild_diag::{Diagnostics, Source};
use std::sync::Arc;

fn env() -> Env {
    let ambient = Arc::new(Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/srv"));
    let mut env = Env::empty();
    env.callable = Callable::All(Arc::new(Surroundings { ambient, base: "/srv".into() }));
    let mut diags = Diagnostics::new();
    let value = |text: &str, diags: &mut Diagnostics| {
        let nothing = Env::empty();
        syntax::parse_expression(&Source::new("v", text)).unwrap().value(&nothing.scope(), diags)
    };
    let vars = [
        ("l", r#"["a", "b", "c"]"#),
        ("m", "{ x = 1, y = 2 }"),
        ("os", r#"[{ n = "a", v = [1, 2] }, { n = "b", v = [3] }]"#),
        ("n", "null"),
    ];
    let vars = vars.map(|(name, text)| (name, value(text, &mut diags)));
    let secret = ("secret", Value::string("hush").sensitive());
    env.with("var", Value::object(vars.into_iter().chain([secret])))
        .with("local", Value::object([("only", Value::int(1))]))
}

fn evaluate(text: &str) -> Result<Value, Vec<String>> {
    let mut diags = Diagnostics::new();
    let source = Source::new("t", text);
    let value = match syntax::parse_expression(&source) {
        Ok(expr) => expr.value(&env().scope(), &mut diags),
        Err(errors) => return Err(errors.errors().map(|e| e.message.clone()).collect()),
    };
    if diags.has_errors() { Err(diags.errors().map(|e| e.message.clone()).collect()) } else { Ok(value) }
}

#[test]
fn values_are_packers() {
    for (text, printed) in VALUES {
        match evaluate(text) {
            Ok(value) => assert_eq!(crate::quote::go(&printable(&value), '"'), *printed, "{text}"),
            Err(errors) => panic!("{text}: {errors:?}"),
        }
    }
}

#[test]
fn errors_say_what_is_wrong_once() {
    for (text, begins) in ERRORS {
        let errors = evaluate(text).expect_err(text);
        assert!(errors.len() == 1 && errors[0].starts_with(begins), "{text}: {errors:?}");
    }
    // Every mistake of one expression, not the first alone.
    assert_eq!(evaluate("[var.a, nope, 1 + {}]").expect_err("three").len(), 3);
}

#[test]
fn sensitivity_goes_along() {
    for text in [
        "var.secret",
        "\"a${var.secret}b\"",
        "upper(var.secret)",
        "[var.secret][0]",
        "var.secret == \"x\"",
        "var.secret == \"x\" ? 1 : 2",
        "[for x in [1] : x if var.secret != \"\"]",
        "<<EOT\n${var.secret}\nEOT",
    ] {
        assert!(evaluate(text).unwrap().has_sensitive(), "{text}");
    }
    assert!(!evaluate("[var.secret, 1][1]").unwrap().has_sensitive());
}

#[test]
fn work_is_bounded() {
    let mut text = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]".to_owned();
    for i in 0..8 {
        text = format!("flatten([for x{i} in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : {text}])");
    }
    let errors = evaluate(&text).expect_err("too much work");
    assert!(errors.iter().any(|e| e.contains("too much")), "{errors:?}");
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(evaluate(&deep).is_err());
    let wide = vec!["1"; 10_000].join(" + ");
    assert!(evaluate(&wide).is_err());
}

#[test]
fn what_is_made_is_bounded() {
    let table = [
        ("[for x in range(1000) : [for y in range(1000) : [for z in range(1000) : 1]]]", "makes too much"),
        (
            r#"join(format("%10000s%10000s%10000s%10000s%10000s%10000s%10000s", "x", "x", "x", "x", "x", "x", "x"), [for x in range(1000) : "x"])"#,
            "become too long",
        ),
        (
            r#"formatlist("%10000s%10000s%10000s%10000s%10000s%10000s%10000s", range(1000), 1, 1, 1, 1, 1, 1)"#,
            "too long",
        ),
        (r#"regex_replace(format("%10000s", "x"), ".", format("%10000s", "x"))"#, "too long"),
        (r#"[for x in range(1000) : "%{for y in range(1000)}${format("%10000s", x)}%{endfor}"]"#, "makes too much"),
        (r#"[for x in range(1000) : [for y in range(1000) : format("%10000s", x)]]"#, "makes too much"),
        ("[for x in range(1000) : [for y in range(1000) : 1] == [x] ? 1 : 2]", "too much"),
        ("bcrypt(\"x\", 21)", "a cost of 21 takes too long"),
        ("[for x in range(20) : setproduct(range(300), range(300))]", "makes too much"),
    ];
    for (text, why) in table {
        let errors = evaluate(text).map(drop).expect_err(text);
        assert!(errors.len() == 1 && errors[0].contains(why), "{text}: {errors:?}");
    }
    assert_eq!(evaluate("length(distinct([for x in range(1000) : x % 7]))").unwrap(), Value::int(7));
    assert_eq!(printable(&evaluate("distinct([3, 1, 3, 2, 1])").unwrap()), printable(&evaluate("[3, 1, 2]").unwrap()));
}

const ERRORS: &[(&str, &str)] = &[
    ("\"a\nb\"", "Invalid multi-line string"),
    (r#"1 + "a""#, r#"Invalid operand: the right operand"#),
    (r#"!5"#, r#"Invalid operand: the operand must be a bool"#),
    (r#"[1, 2][5]"#, r#"Invalid index: 5"#),
    (r#"[1][-1]"#, r#"Invalid index: a negative"#),
    (r#"[1][0.5]"#, r#"Invalid index: an element is found by a whole"#),
    (r#"{ a = 1 }.b"#, r#"Unsupported attribute"#),
    (r#"{ a = 1 }["b"]"#, r#"Invalid index: there is no element"#),
    (r#""x".y"#, r#"Unsupported attribute: a string"#),
    (r#"[1].y"#, r#"Unsupported attribute: "y" of a tuple"#),
    (r#"null.x"#, r#"Attempt to get attribute"#),
    (r#"var.nope"#, r#"Unknown variable: var.nope"#),
    (r#"nope"#, r#"Unknown variable: there is no variable named "nope""#),
    (r#"uper("a")"#, r#"Call to unknown function"#),
    (r#""a${null}""#, r#"Invalid template interpolation value: null"#),
    (r#""a${[1]}""#, r#"Invalid template interpolation value: a string"#),
    (r#"[for x in 5 : x]"#, r#"Iteration over non-iterable"#),
    (r#"[for x in null : x]"#, r#"Iteration over null"#),
    (r#"{ for x in ["a", "a"] : x => 1 }"#, r#"Duplicate object key"#),
    (r#"true ? [1] : { a = 1 }"#, r#"Inconsistent conditional result types"#),
    (r#"null ? 1 : 2"#, r#"Invalid operand: the condition"#),
    (r#"max(1...)"#, r#"Invalid expanding argument"#),
    (r#"env("HOME")"#, r#"Call to unknown function: env()"#),
    (r#"{ (null) = 1 }"#, r#"Null value as key"#),
    (r#"convert("x", number)"#, r#"Invalid function argument: convert()"#),
    (r#"t3.micro"#, r#"Unknown variable: there is no variable named "t3""#),
    (r#"try()"#, r#"Error in function call: try()"#),
    (r#"1 / 0"#, r#"Division by zero"#),
    (r#"try(var.a, var.b)"#, r#"Error in function call: try(): no expression succeeded"#),
];

const VALUES: &[(&str, &str)] = &[
    (r#"1 + 2 * 3"#, r#""7""#),
    (r#"(1 + 2) * 3"#, r#""9""#),
    (r#"7 / 2"#, r#""3.5""#),
    (r#"7 % 3"#, r#""1""#),
    (r#"-7 % 3"#, r#""-1""#),
    (r#""5" + 2"#, r#""7""#),
    (r#"1 == 1.0"#, r#""true""#),
    (r#""1" == 1"#, r#""false""#),
    (r#"true ? 1 : "x""#, r#""1""#),
    (r#"false ? [1] : ["a", "b"]"#, r#""[\n  \"a\",\n  \"b\",\n]""#),
    (r#"[for x in var.l : upper(x)]"#, r#""[\n  \"A\",\n  \"B\",\n  \"C\",\n]""#),
    (r#"{ for i, x in var.l : x => i }"#, r#""{\n  \"a\" = 0\n  \"b\" = 1\n  \"c\" = 2\n}""#),
    (
        r#"{ for x in ["a", "bb", "cc"] : length(x) => x... }"#,
        r#""{\n  \"1\" = [\n    \"a\",\n  ]\n  \"2\" = [\n    \"bb\",\n    \"cc\",\n  ]\n}""#,
    ),
    (r#"[for k, v in var.m : "${k}=${v}" if v > 1]"#, r#""[\n  \"y=2\",\n]""#),
    (r#"var.os[*].n"#, r#""[\n  \"a\",\n  \"b\",\n]""#),
    (r#"var.os.*.n"#, r#""[\n  \"a\",\n  \"b\",\n]""#),
    (r#"var.os[*].v[0]"#, r#""[\n  1,\n  3,\n]""#),
    (r#"var.os.*.v[0]"#, r#""[\n  1,\n  2,\n]""#),
    (r#"var.os.0.n"#, r#""a""#),
    (r#"var.l[1]"#, r#""b""#),
    (r#""a${1}b${true}c${"x"}""#, r#""a1btruecx""#),
    (r#""${var.l}""#, r#""[\n  \"a\",\n  \"b\",\n  \"c\",\n]""#),
    (r#""%{ if true }yes%{ else }no%{ endif }""#, r#""yes""#),
    (r#""%{ for x in var.l }<${x}>%{ endfor }""#, r#""<a><b><c>""#),
    (
        r#"<<EOT
one
  two ${1 + 1}
EOT"#,
        r#""one\n  two 2\n""#,
    ),
    (
        r#"<<-EOT
    one
      two
    three
  EOT"#,
        r#""one\n  two\nthree\n""#,
    ),
    (
        r#"<<-EOT
    one

      two
    ${"x"}
  EOT"#,
        r#""one\n\n  two\nx\n""#,
    ),
    (
        r#"<<EOT
a
%{ for x in var.l ~}
  <${x}>
%{ endfor ~}
b
EOT"#,
        r#""a\n  <a>\n  <b>\n  <c>\nb\n""#,
    ),
    (
        r#"<<-EOT
    a
    %{~ for x in var.l ~}
    ${x}
    %{~ endfor ~}
    b
  EOT"#,
        r#""    a\n    a\n    b\n    c\n    b\n""#,
    ),
    (r#""x  ${~ "y" ~}  z""#, r#""xyz""#),
    (r#""$${a} %%{b}""#, r#""${a} %{b}""#),
    (r#""tab\t nl\n q\" bs\\ u\u00e9""#, r#""tab\t nl\n q\" bs\\ ué""#),
    (r#"try(var.m.z, "none")"#, r#""none""#),
    (r#"can(var.m.x)"#, r#""true""#),
    (r#"can(1 + "a")"#, r#""false""#),
    (r#"convert(["a", "b", "a"], set(string))"#, r#""[\n  \"a\",\n  \"b\",\n]""#),
    (r#"convert({ a = "1" }, map(number))"#, r#""{\n  \"a\" = 1\n}""#),
    (r#"convert("5", number) + 1"#, r#""6""#),
    (r#"var.n == null"#, r#""true""#),
    (r#"var.n == null ? "d" : var.n"#, r#""d""#),
    (r#"!true || false && true"#, r#""false""#),
    (r#"1 < 2 && 2 <= 2 && 3 > 2 && !(3 >= 4)"#, r#""true""#),
    (r#"0.1 + 0.2"#, r#""0.3""#),
    (r#"1e3"#, r#""1000""#),
    (r#"10 / 4"#, r#""2.5""#),
    (r#"{ "a b" = 1, (var.l[0]) = 2, c : 3 }"#, r#""{\n  \"a\" = 2\n  \"a b\" = 1\n  \"c\" = 3\n}""#),
    (r#"concat(var.l, ["d"])"#, r#""[\n  \"a\",\n  \"b\",\n  \"c\",\n  \"d\",\n]""#),
    (r#"length(var.m)"#, r#""2""#),
    (r#"max([1, 5, 3]...)"#, r#""5""#),
    (r#"null == null"#, r#""true""#),
    (r#"[1, "a", true]"#, r#""[\n  1,\n  \"a\",\n  true,\n]""#),
    (r#"var.m["x"]"#, r#""1""#),
    (r#"{ for k, v in var.m : v => k }"#, r#""{\n  \"1\" = \"x\"\n  \"2\" = \"y\"\n}""#),
    (r#""${var.m.x}${""}""#, r#""1""#),
    (
        r#"[for o in var.os : [for v in o.v : "${o.n}${v}"]]"#,
        r#""[\n  [\n    \"a1\",\n    \"a2\",\n  ],\n  [\n    \"b3\",\n  ],\n]""#,
    ),
    (r#"flatten([for o in var.os : o.v])"#, r#""[\n  1,\n  2,\n  3,\n]""#),
    (
        r#"<<EOT
%{ if true ~}
  yes
%{ else ~}
  no
%{ endif ~}
end
EOT"#,
        r#""  yes\nend\n""#,
    ),
    (r#""a\\${1}""#, r#""a\\1""#),
    (
        r#"<<EOT
\n ${"\n"} $${x} "q"
EOT"#,
        r#""\\n \n ${x} \"q\"\n""#,
    ),
    (r#"1 != 2"#, r#""true""#),
    (r#""abc" == "abc""#, r#""true""#),
    (r#"[1,2] == [1,2]"#, r#""true""#),
    (r#"{a=1} == {a=1}"#, r#""true""#),
    (r#"-(-3)"#, r#""3""#),
    (r#"100000000000000000000"#, r#""1e+20""#),
    (r#"1.50"#, r#""1.5""#),
    (r#"123456789.123456789"#, r#""1.2345678912345679e+08""#),
    (r#"var.n[*]"#, r#""[]""#),
    (r#""x"[*]"#, r#""[\n  \"x\",\n]""#),
    (r#"[[1,2],[3]][*][0]"#, r#""[\n  1,\n  3,\n]""#),
    (r#"false ? null : "z""#, r#""z""#),
    (r#"true ? {} : { a = "b" }"#, r#""{}""#),
    (r#"true ? [] : ["x"]"#, r#""[]""#),
    (
        r#"<<-EOT
  	tab
  	  x
  EOT"#,
        r#""tab\n  x\n""#,
    ),
    (
        r#"<<-EOT
      deep
    less
        more
    EOT"#,
        r#""  deep\nless\n    more\n""#,
    ),
    (r#""${1 + 1}""#, r#""2""#),
    (r#"{ a = { b = [1, { c = "d" }] } }.a.b[1].c"#, r#""d""#),
];

#[test]
fn of_a_key_that_stands_twice_the_last_one_wins() {
    for (text, same) in [
        (r#"{ ab = 1, ab = 2, "ab" = 3, c = 4 }"#, "{ ab = 3, c = 4 }"),
        (r#"{ "ab" = 1, "ab" = 2 }"#, "{ ab = 2 }"),
        ("{ a = 1, a = 2, a = 3 }", "{ a = 3 }"),
        ("[{ x-1 = { y = 1, y = 2 }, x-1 = { z = 1 } }]", "[{ x-1 = { z = 1 } }]"),
    ] {
        assert_eq!(evaluate(text), evaluate(same), "{text}");
        assert!(evaluate(text).is_ok(), "{text}");
    }
}
