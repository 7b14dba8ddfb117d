//! Table tests of the engine as a whole; expected texts were read off Packer 1.6.6's console, or follow from Go's documentation
//! where that version is too old.

use super::*;
use imgbuild_diag::Source;
use std::sync::Arc;

pub(crate) fn context() -> Context {
    let mut ambient = Ambient::new("2026-11-05T20:08:09.0525Z".parse().unwrap(), "/work");
    ambient.env.insert("HOME".into(), "/home/me".into());
    ambient.uuid = Arc::new(|| uuid::Uuid::from_u128(0x1234));
    let user = [("a", "x"), ("list", "p,q"), ("empty", "")];
    Context::new(Arc::new(ambient))
        .with_user(Arc::new(user.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
}

fn once(text: &str, context: &Context) -> Result<String, String> {
    render_text(text, context).map_err(|fault| format!("{}: {}", fault.at, fault.message))
}

fn table(context: &Context, rows: &[(&str, &str)]) {
    for (text, want) in rows {
        assert_eq!(once(text, context).as_deref(), Ok(*want), "{text}");
    }
}

fn faults(context: &Context, rows: &[(&str, &str)]) {
    for (text, want) in rows {
        assert_eq!(once(text, context).as_ref().map_err(String::as_str), Err(*want), "{text}");
    }
}

#[test]
fn renders() {
    table(
        &context(),
        &[
            ("plain }} text { }", "plain }} text { }"),
            ("{{user `a`}}", "x"),
            ("{{ user \"a\" }}-{{user `nope`}}-", "x--"),
            ("{{\"a\" | user | printf \"%s%s\" \"v\"}}", "vx"),
            ("{{.X}} {{.X.Y}} {{.X 1}}", "<no value> <no value> <no value>"),
            ("{{/* c */}}x{{- /* c */ -}} y{{/*/ {{ */}}", "xy"),
            ("a  {{- 1 -}}  b {{2}} c", "a1b 2 c"),
            ("{{- 1}} {{ -1 }}", "1 -1"),
            ("{{if user `a`}}yes{{else}}no{{end}}", "yes"),
            ("{{if user `empty`}}1{{else if 0}}2{{else if 1}}3{{else}}4{{end}}", "3"),
            ("{{with user `a`}}[{{.}}]{{else}}none{{end}}", "[x]"),
            ("{{with user `empty`}}1{{else with `z`}}{{.}}{{end}}", "z"),
            ("{{range 3}}{{.}},{{end}}", "0,1,2,"),
            ("{{range $i := 3}}{{if eq $i 1}}{{continue}}{{end}}{{$i}}{{end}}", "02"),
            ("{{range 9}}{{if eq . 2}}{{break}}{{end}}{{.}}{{else}}none{{end}}", "01"),
            ("{{range 0}}x{{else}}none{{end}}", "none"),
            ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if 1}}{{$x = 3}}{{$y := 4}}{{$y}}{{end}}{{$x}}", "1243"),
            ("{{define `T`}}[{{.}}{{$}}]{{end}}{{template `T` `q`}}{{template `T`}}", "[qq][<no value><no value>]"),
            ("{{block `B` 5}}<{{.}}>{{end}}", "<5>"),
            ("{{(len `abc`) | printf `%d`}} {{(1)}}", "3 1"),
            ("{{len `héé`}} {{slice `abcdef` 1 3}} {{index `abc` 1}}", "5 bc 98"),
            ("{{and 1 0}} {{or `` `x`}} {{not 1}} {{and 1 2}} {{or 0 ``}}|", "0 x false 2 |"),
            (
                "{{eq 1 1}} {{eq 3 1 2 3}} {{ne `a` `b`}} {{lt 1 2}} {{le 2 2}} {{gt `b` `a`}} {{ge 1 2}}",
                "true true true true true true false",
            ),
            ("{{1.5e3}} {{0x1F}} {{1e100}} {{'a'}} {{true}} {{010}}", "1500 31 1e+100 97 true 8"),
            ("{{print 1 2 `a` `b` 3}}{{println `a`}}{{print nil}}", "1 2ab3a\n<nil>"),
            ("{{js `<a>`}} {{html `<a>`}} {{urlquery `a b&c`}}", "\\u003Ca\\u003E &lt;a&gt; a+b%26c"),
            ("{{`raw \\n`}}{{\"q\\tz\\u00e9\"}}", "raw \\nq\tzé"),
            ("{{html .X `a`}} {{urlquery nil}} {{print .X}}", "&lt;no value&gt;a %3Cno+value%3E <nil>"),
            ("{{eq 1 1 `a`}} {{$x := or 1 $x}}{{$x}}", "true 1"),
            ("{{printf `%q %5.1f` 31 1}}", "'\\x1f' %!f(int=    1)"),
            ("{{timestamp}} {{isotime}}", "1793909289 2026-11-05T20:08:09Z"),
            ("{{isotime `20060102`}} {{strftime `%Y-%m`}}", "20261105 2026-11"),
            ("{{uuid}}", "00000000-0000-0000-0000-000000001234"),
            ("{{pwd}} {{packer_version}}", "/work 1.16.0"),
            ("{{split `a,b,c` `,` 1}}{{split `a` `` 0}}", "ba"),
            ("{{replace `a` `b` 1 `aaa`}} {{replace `a` `b` -1 `aaa`}} {{replace_all `a` `` `banana`}}", "baa bbb bnn"),
            ("{{upper `aß`}}{{lower `ÀB`}}", "Aßàb"),
        ],
    );
}

#[test]
fn refuses() {
    faults(
        &context(),
        &[
            ("{{foo}}", "2: function \"foo\" not defined"),
            ("é{{ foo}}", "5: function \"foo\" not defined"),
            ("{{user 5}}", "7: expected string; found 5"),
            ("{{split `a` `b` `c`}}", "16: expected integer; found `c`"),
            ("{{user `a` `b`}}", "2: wrong number of args for user: want 1 got 2"),
            ("{{printf}}", "2: wrong number of args for printf: want at least 1 got 0"),
            ("{{user nil}}", "7: cannot assign nil to string"),
            ("{{user .X}}", "7: invalid value; expected string"),
            ("{{user (len `a`)}}", "7: wrong type for value; expected string; got int"),
            ("{{1 | user}}", "6: wrong type for value; expected string; got int"),
            ("{{eq 1 1.0}}", "2: error calling eq: incompatible types for comparison"),
            ("{{if}}x{{end}}", "4: missing value for if"),
            ("{{}}", "2: missing value for command"),
            ("{{if 1}}", "8: unexpected EOF"),
            ("{{end}}", "0: unexpected {{end}}"),
            ("{{else}}", "0: unexpected {{else}}"),
            ("{{break}}", "0: {{break}} outside {{range}}"),
            ("{{1|2}}", "4: non executable command in pipeline stage 2"),
            ("{{1 2}}", "2: can't give argument to non-function 1"),
            ("{{\"a\" 1}}", "2: can't give argument to non-function \"a\""),
            ("{{nil}}", "2: nil is not a command"),
            ("{{$x := 1}}{{$y}}", "13: undefined variable \"$y\""),
            ("{{$x := $x}}", "8: undefined variable: $x"),
            ("{{ @ }}", "3: unexpected \"@\" in command"),
            ("{{user `x`}", "10: unexpected \"}\" in operand"),
            ("{{user if}}", "7: unexpected <if> in operand"),
            ("{{3x}}", "2: bad number syntax: \"3x\""),
            ("{{a.b}}", "2: function \"a\" not defined"),
            ("{{template `x`}}", "11: template \"x\" not defined"),
            ("{{range `b`}}{{end}}", "8: range can't iterate over b"),
            ("{{range $a, $b, $c := 3}}{{end}}", "12: too many declarations in range"),
            ("{{call 1}}", "2: error calling call: non-function of type int"),
            ("{{env `HOME`}}", "2: error calling env: env vars are not allowed here"),
            ("{{vault `a` `b`}}", "2: error calling vault: Vault vars are only allowed in the variables section"),
            ("{{build_name}}", "2: error calling build_name: build_name not available"),
            ("{{template_dir}}", "2: error calling template_dir: template path not available"),
            ("{{split `a.b` `.` -1}}", "2: error calling split: index out of range [-1]"),
            ("{{clean_resource_name `a`}}", "2: function \"clean_resource_name\" not defined"),
            ("{{template `root`}}", "0: exceeded maximum template depth"),
            ("{{define `a`}}{{template `a`}}{{end}}{{template `a`}}", "0: exceeded maximum template depth"),
            ("{{range 99999999}}{{range 99999999}}{{end}}{{end}}", "0: the expression produces too much"),
            ("{{define `a`}}1{{end}}{{define `a`}}2{{end}}", "31: multiple definition of template \"a\""),
        ],
    );
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(once(&deep, &context()).unwrap_err().ends_with("expression is nested too deeply"));
    let deep = "{{if 1}}".repeat(5000) + &"{{end}}".repeat(5000);
    assert!(once(&deep, &context()).unwrap_err().ends_with("expression is nested too deeply"));
}

#[test]
fn data_fields_come_in_the_second_pass() {
    let first = context().with_promised(["SourceAMI"]);
    table(
        &first,
        &[
            ("{{build `ID`}} {{build `SourceAMI`}}", "{{.ID}} {{.SourceAMI}}"),
            ("{{.Nope}}", "<no value>"),
            ("{{.ID}}", "Build_ID. Build variables not usable until build is running"),
        ],
    );
    faults(&first, &[("{{build `Nope`}}", "2: error calling build: loaded data, but couldn't find Nope in it")]);
    let data = context()
        .with_data([("ID", Datum::from("i-1")), ("Port", 22i64.into())])
        .with_field("SourceAMITags", [("Name", "n")].into_iter().collect::<Datum>());
    table(&data, &[("{{.ID}}:{{.Port}}:{{build `ID`}}:{{build `Port`}}", "i-1:22:i-1:22")]);
    table(
        &data,
        &[
            (
                "{{.SourceAMITags}} {{.SourceAMITags.Name}} {{index .SourceAMITags `Name`}} {{len .SourceAMITags}}",
                "map[Name:n] n n 1",
            ),
            ("{{range $k, $v := .SourceAMITags}}{{$k}}={{$v}}{{end}}{{$.ID}}", "Name=ni-1"),
            ("{{with .SourceAMITags}}{{.Name}}{{end}}", "n"),
        ],
    );
    faults(
        &data,
        &[
            ("{{.ID.Foo}}", "2: can't evaluate field Foo in type string"),
            ("{{.ID 1}}", "2: ID is not a method but has arguments"),
            ("{{build `Nope`}}", "2: error calling build: loaded data, but couldn't find Nope in it"),
        ],
    );
}

#[test]
fn names_and_paths_of_a_build() {
    let context = context()
        .with_build("ubuntu", "amazon-ebs")
        .with_template(Some(std::path::Path::new("/t/a.json")))
        .with_amazon_functions(true);
    table(
        &context,
        &[
            ("{{build_name}} {{build_type}} {{template_dir}}", "ubuntu amazon-ebs /t"),
            ("{{clean_resource_name `a:b (c) é`}}", "a-b (c) --"),
            ("{{`a:b` | clean_ami_name}}", "a-b"),
            ("{{isotime | clean_resource_name}}", "2026-11-05T20-08-09Z"),
        ],
    );
}

#[test]
fn comes_to_rest_or_says_so() {
    let user = [
        ("a", "{{user `b`}}!"),
        ("b", "v"),
        ("loop", "{{user `loop`}} "),
        ("twice", "{{user `twice`}}{{user `twice`}}"),
    ];
    let context = context().with_user(Arc::new(user.into_iter().map(|(k, v)| (k.into(), v.into())).collect()));
    let source = Source::new("t", "\"x\"");
    let render = |text: &str| super::render(&Spanned::new(text.into(), Span::new(&source, 0..3)), &context);
    assert_eq!(render("{{user `a`}}"), Ok("v!".into()));
    assert_eq!(render("{{`{{`}}timestamp}}"), Ok("1793909289".into()));
    assert!(render("{{user `loop`}}").unwrap_err().message.contains("for ever"));
    assert!(render("{{user `twice`}}").is_err());
}

#[test]
fn errors_point_into_the_file() {
    let source = Source::new("t.json", "{\n  \"name\": \"x\\t{{usr `a`}}\"\n}");
    let text = "x\t{{usr `a`}}";
    let start = source.text().find("\"x").unwrap();
    let error = check(text, &Span::new(&source, start..source.text().len() - 2), &context()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error: function \"usr\" not defined\n  on t.json:2:17\n  2 |   \"name\": \"x\\t{{usr `a`}}\"\n    |                 ^^^^^^^\n  did you mean \"user\"?"
    );
}
