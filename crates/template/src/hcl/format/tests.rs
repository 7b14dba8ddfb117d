//! The layout of small texts, and what holds for any text: the same tokens, the same values, nothing left to lay out.

use super::*;
use hcl_edit::visit_mut::{VisitMut, visit_array_mut, visit_object_mut};
use imgbuild_diag::Source;
use token::Kind;

/// Trailing white space inside of brackets is part of a tree's equality; it is no value.
struct Bare;

impl VisitMut for Bare {
    fn visit_array_mut(&mut self, node: &mut hcl_edit::expr::Array) {
        node.set_trailing("");
        visit_array_mut(self, node);
    }

    fn visit_object_mut(&mut self, node: &mut hcl_edit::expr::Object) {
        node.set_trailing("");
        visit_object_mut(self, node);
    }
}

fn tree(text: &str) -> hcl_edit::structure::Body {
    let mut body =
        crate::hcl::syntax::lenient(text, hcl_edit::parser::parse_body).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Bare.visit_body_mut(&mut body);
    body
}

fn tokens(text: &str) -> Vec<(Kind, &str)> {
    lex::lex(text).tokens.iter().map(|t| (t.kind, t.text)).collect()
}

/// Lays out, and checks what must hold for every text that parses.
fn laid_out(text: &str) -> String {
    let out = format(text);
    assert_eq!(tokens(text), tokens(&out), "other tokens:\n{text}");
    assert_eq!(format(&out), out, "not laid out yet:\n{text}");
    assert_eq!(tree(text), tree(&out), "other values:\n{text}");
    check(&Source::new("t", text)).unwrap_or_else(|e| panic!("{e:?}"));
    out
}

#[test]
fn small_texts() {
    let table = [
        // Assignments of neighbouring lines stand in one column; a blank line, a comment or a block begins another.
        ("a=1\nbcd =2\n\nef= 3\n", "a   = 1\nbcd = 2\n\nef = 3\n"),
        ("a=1\n# x\nbcd=2\n", "a = 1\n# x\nbcd = 2\n"),
        ("a=1\nb {\nc=1\n}\n", "a = 1\nb {\n  c = 1\n}\n"),
        // So do trailing comments.
        ("a=1# x\nbcd=22   // y\n", "a   = 1  # x\nbcd = 22 // y\n"),
        ("a { # x\nb=1 # y\n}\n", "a {     # x\n  b = 1 # y\n}\n"),
        // An expression of several lines does not take part.
        ("a = [\n1,\n2\n]\nbcdef=1\n", "a = [\n  1,\n  2\n]\nbcdef = 1\n"),
        ("aaaa=1\nb={\nc=1\n}\n", "aaaa = 1\nb = {\n  c = 1\n}\n"),
        // A line that opens several brackets is one step.
        ("a = f({\nb = [{\nc = 1\n}]\n})\n", "a = f({\n  b = [{\n    c = 1\n  }]\n})\n"),
        ("a = f(\n[\n1\n])\n", "a = f(\n  [\n    1\n])\n"),
        // Spaces inside of braces only.
        ("a={b=1}\nc={ }\nd=[ 1 ,2 ]\ne=f( 1,2 )\n", "a = { b = 1 }\nc = {}\nd = [1, 2]\ne = f(1, 2)\n"),
        // Operators; a minus may be a sign.
        ("a=1+2*-3\nb=- 1\nc=x -1\nd=(- 1)\ne=a<- 1\n", "a = 1 + 2 * -3\nb = -1\nc = x - 1\nd = (-1)\ne = a < -1\n"),
        ("a=!b&&! c||d==e\nf=g?h:- 1\n", "a = !b && !c || d == e\nf = g ? h : -1\n"),
        // References, calls, splats, for expressions.
        (
            "a = b [0] . c\nd = f (x ...)\ne = g.*.h\ni = j [ * ].k\n",
            "a = b[0].c\nd = f(x...)\ne = g.*.h\ni = j[*].k\n",
        ),
        (
            "a=[for k,v in {b=1}:k if v>1]\nc={for x in [1]:x=>x...}\n",
            "a = [for k, v in { b = 1 } : k if v > 1]\nc = { for x in [1] : x => x... }\n",
        ),
        // Templates: what is text stays, what is an expression is laid out.
        ("a=\"  x${ b }y${c+1}  \"\nd=\"${~ e ~}\"\n", "a = \"  x${b}y${c + 1}  \"\nd = \"${~e~}\"\n"),
        (
            "a=\"%{if b}x%{else}y%{endif}\"\nc=\"${{a=1}}\"\n",
            "a = \"%{if b}x%{else}y%{endif}\"\nc = \"${ { a = 1 } }\"\n",
        ),
        ("a=\"$${ x } %%{ y } $ % \\\" \\\\\"\n", "a = \"$${ x } %%{ y } $ % \\\" \\\\\"\n"),
        // Heredocs stay as they are.
        ("a=<<E\n  x\n y=1\nE\nbc = 1\n", "a  = <<E\n  x\n y=1\nE\nbc = 1\n"),
        ("b {\n  a=<<-E\n  x ${ c }\n    E\n d = 1\n}\n", "b {\n  a = <<-E\n  x ${c}\n    E\n  d = 1\n}\n"),
        ("a=<<E\n $E\n ${b} E\nE\n", "a = <<E\n $E\n ${b} E\nE\n"),
        // Line ends, tabs, columns that people see, no line end at the end.
        ("\ta\t=\t1\r\n\tbc=2\r\n", "a  = 1\r\nbc = 2\r\n"),
        ("a = \"é̈\" # x\nb = \"zz\" # y", "a = \"é̈\"  # x\nb = \"zz\" # y"),
        ("a=1", "a = 1"),
        ("", ""),
        ("\n\n   \n a = 1\n", "\n\n\na = 1\n"),
        // Blocks and comments.
        ("b \"l\"{}\nb l \"m\"{ a=1 }\n", "b \"l\" {}\nb l \"m\" { a = 1 }\n"),
        ("/* x\n  y */\na=/* z */1\n", "/* x\n  y */\na = /* z */ 1\n"),
        ("b {\n// x\n\n      # y\n}\n", "b {\n  // x\n\n  # y\n}\n"),
    ];
    for (text, want) in table {
        assert_eq!(laid_out(text), want, "{text}");
    }
    assert_eq!(format("\u{feff}a=1\n"), "a = 1\n");
}

#[test]
fn what_is_no_hcl_keeps_its_tokens() {
    for (text, want) in [
        ("a = 'x'", ["strings stand in double quotes"; 1].as_slice()),
        ("a = \"x", &["this string has no closing quote"]),
        ("a = \"x\nb\"", &["a quoted string ends on its line: \\n is a line break in it"]),
        ("a = <<E\nx\n", &["this heredoc has no line with its closing marker alone"]),
        ("a = <<E\nx\nE", &["this heredoc has no line with its closing marker alone"]),
        ("a = \"${b\n", &["this string has no closing quote", "this template sequence has no closing brace"]),
        ("/* x", &["this comment has no closing */"]),
        (
            "a = 1;\nb = 2 & 3",
            &[
                "arguments end with their line, not with a semicolon",
                "there is no bitwise operator; the logical one is &&",
            ],
        ),
        ("a = “x”", &["these are typographic quotes: strings stand in straight ones"]),
        ("~}", &["~} closes nothing here"]),
        ("a = ", &[]),
        ("}}} ((( ]]] \"\\", &[]),
        ("\u{0}\u{1}", &[]),
    ] {
        let errors = check(&Source::new("t", text)).expect_err(text);
        for (error, want) in errors.iter().zip(want) {
            assert_eq!(error.message, *want, "{text}");
        }
        assert!(errors.iter().count() >= want.len(), "{text}");
        assert!(errors.iter().all(|e| e.span.is_some()), "{text}");
        assert_eq!(tokens(text), tokens(&format(text)), "{text}");
    }
}

/// Random, and the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn blank(&mut self) -> &'static str {
        self.pick(&["", "", " ", "  ", "\t"])
    }

    fn expression(&mut self, deep: usize, out: &mut String) {
        let kind = if deep == 0 { self.roll(5) } else { self.roll(15) };
        let (l, r) = (self.blank(), self.blank());
        match kind {
            0 => out.push_str(self.pick(&["1", "0.5", "1e3", "42"])),
            1 => out.push_str(self.pick(&["true", "null", "var.x", "a-b.c[0].d", "e.0.f", "g[*].h", "local.i.*.j"])),
            2 => out.push_str(self.pick(&[
                "\"\"",
                "\" x  y \"",
                "\"$${z} %%{ $ %\"",
                "\"é \\\" \\n\"",
                "\"# no // comment\"",
            ])),
            3 | 4 => out.push_str(self.pick(&["x", "var.y", "\"z\"", "_a"])),
            5 | 6 => {
                out.push('(');
                out.push_str(l);
                self.expression(deep - 1, out);
                out.push_str(self.pick(&[" + ", "*", " - ", "-", " == ", "!=", "&&", " || ", ">", "<=", " / ", "%"]));
                out.push_str(r);
                self.expression(deep - 1, out);
                out.push_str(l);
                out.push(')');
            }
            7 => {
                out.push_str(self.pick(&["!", "-", "! ", "- "]));
                self.expression(deep - 1, out);
            }
            8 | 9 => {
                let many = self.roll(4);
                let lines = self.roll(3) == 0;
                out.push('[');
                for i in 0..many {
                    out.push_str(if lines { "\n   " } else { l });
                    self.expression(deep - 1, out);
                    if i + 1 < many || lines {
                        out.push_str(r);
                        out.push(',');
                    }
                    if lines {
                        out.push_str(self.pick(&["", "# c", " // d", "/* e */"]));
                    }
                }
                out.push_str(if lines { "\n" } else { l });
                out.push(']');
            }
            10 => {
                let many = self.roll(4);
                out.push('{');
                for i in 0..many {
                    out.push_str(self.pick(&["\n", "\n  ", "\n\n\t"]));
                    out.push_str(self.pick(&["k", "long_key", "\"quoted key\"", "(var.k)"]));
                    out.push_str(&i.to_string().replace(|_: char| true, ""));
                    out.push_str(self.pick(&["=", " = ", " : ", "  =\t"]));
                    self.expression(deep - 1, out);
                    out.push_str(self.pick(&["", ",", " # c"]));
                }
                out.push_str(if many == 0 { "" } else { "\n " });
                out.push('}');
            }
            11 => {
                out.push_str(self.pick(&["f", "upper", "ns_g"]));
                out.push('(');
                self.expression(deep - 1, out);
                out.push_str(l);
                out.push(',');
                out.push_str(r);
                self.expression(deep - 1, out);
                out.push_str(self.pick(&["", "...", " ..."]));
                out.push(')');
            }
            12 => {
                out.push('(');
                self.expression(deep - 1, out);
                out.push_str(self.pick(&["?", " ? "]));
                self.expression(deep - 1, out);
                out.push_str(self.pick(&[":", " : "]));
                self.expression(deep - 1, out);
                out.push(')');
            }
            13 => {
                out.push_str(self.pick(&["\"a ${", "\"${~", "\" ${  "]));
                self.expression(0, out);
                out.push_str(self.pick(&["} b\"", "~}\"", "  }${c}\""]));
            }
            _ => {
                out.push_str(self.pick(&["[for x in ", "[ for x,y in "]));
                self.expression(deep - 1, out);
                out.push_str(self.pick(&[":", " : "]));
                self.expression(deep - 1, out);
                out.push_str(self.pick(&["]", " if x]", "  if  y ]"]));
            }
        }
    }

    fn body(&mut self, deep: usize, end: &str, out: &mut String) {
        for i in 0..self.roll(6) + 1 {
            out.push_str(self.pick(&["", " ", "\t", "      "]));
            match self.roll(8) {
                0 => out.push_str(self.pick(&["# c", "// d", "/* e\n f */", ""])),
                1 if deep > 0 => {
                    out.push_str(self.pick(&["block", "source \"a\"  \"b\"", "dynamic  x"]));
                    out.push_str(self.pick(&["{", " {", "  { # c"]));
                    out.push_str(end);
                    self.body(deep - 1, end, out);
                    out.push_str("  }");
                }
                2 => {
                    out.push_str(&format!("h{i}=<<{}EOT{end} text  ${{ x }}{end}\t$ EOT{end}", self.pick(&["", "-"])));
                    out.push_str(self.pick(&["EOT", "EOT"]));
                }
                _ => {
                    out.push_str(&format!("{}{i}", self.pick(&["a", "name", "long_name", "é"])));
                    out.push_str(self.pick(&["=", " = ", "   =", "\t= "]));
                    self.expression(3, out);
                    out.push_str(self.pick(&["", "", "  # c", "// d", " /* e */ "]));
                }
            }
            out.push_str(end);
        }
    }
}

#[test]
fn any_text_keeps_its_values_and_is_then_laid_out() {
    let mut dice = Dice(4);
    let mut parsed = 0;
    for round in 0..600 {
        let mut text = String::new();
        dice.body(3, if round % 5 == 0 { "\r\n" } else { "\n" }, &mut text);
        // Duplicate names, or comments where no line may end: not every text is one.
        if check(&Source::new("t", text.as_str())).is_ok() {
            laid_out(&text);
            parsed += 1;
        }
        // Cut anywhere it is still a text of tokens.
        let mut cut = dice.roll(text.len() + 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        assert_eq!(tokens(&text[..cut]), tokens(&format(&text[..cut])), "{}", &text[..cut]);
    }
    assert!(parsed > 300, "only {parsed} texts are HCL");
}

#[test]
fn a_diff_names_the_file() {
    let diff = unified("a=1\nb = 2\n", "a = 1\nb = 2\n", "x.pkr.hcl");
    assert_eq!(diff, "--- old/x.pkr.hcl\n+++ new/x.pkr.hcl\n@@ -1,2 +1,2 @@\n-a=1\n+a = 1\n b = 2\n");
    assert_eq!(unified("a\n", "a\n", "x"), "");
}
