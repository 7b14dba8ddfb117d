//! `{{ .Vars }}` in an `execute_command` of the template's own, without the values on the machine's command line.
//!
//! Packer writes the values into the command, where every user of the machine can read them. Where `{{ .Vars }}` stands at the beginning
//! of a command of the shell, outside of quotes, `NAME="$reference"` does the same: the assignments are the shell's own business
//! and no argument of a program, and the references come from a file that the shell reads first. Elsewhere (inside quotes,
//! behind `sudo` or `env`) the values have to be there as text, as in Packer.

/// What stands before a command: nothing, or the end of another one.
const BEFORE: [char; 6] = [';', '&', '|', '(', '{', '\n'];

/// Whether references can stand in the place of the values everywhere in this command.
pub(crate) fn by_reference(command: &str) -> bool {
    let mut quote = None;
    let mut last = None;
    let mut found = false;
    let mut rest = command;
    while let Some(c) = rest.chars().next() {
        if let Some((action, after)) = rest.strip_prefix("{{").and_then(|inside| inside.split_once("}}")) {
            let name = action.trim_matches(|c: char| c == '-' || c.is_whitespace());
            if name == ".Vars" {
                if quote.is_some() || last.is_some_and(|c| !BEFORE.contains(&c)) {
                    return false;
                }
                found = true;
            } else if name.contains("Vars") {
                return false;
            }
            last = Some('x');
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => rest = rest.get(1..).unwrap_or_default(),
            _ => {}
        }
        if c == '\n' || !c.is_whitespace() {
            last = Some(c);
        }
    }
    found && quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_command_begins_and_nowhere_else() {
        for (command, expected) in [
            ("{{ .Vars }} sudo -E bash '{{ .Path }}'", true),
            ("{{.Vars}} {{.Path}}", true),
            ("chmod +x {{.Path}}; {{.Vars}} {{.Path}}", true),
            ("echo 'pw' | {{- .Vars -}} sudo -E -S sh '{{.Path}}'", true),
            ("cd /tmp && {{ .Vars }} sh {{ .Path }}", true),
            ("sudo sh -c '{{ .Vars }} {{ .Path }}'", false),
            ("sudo {{ .Vars }} sh {{ .Path }}", false),
            ("env {{ .Vars }} sh {{ .Path }}", false),
            ("bash -c \"{{ .Vars }} {{ .Path }}\"", false),
            ("{{ upper .Vars }} {{ .Path }}", false),
            ("it\\'s; {{ .Vars }} {{ .Path }}", true),
            ("sh {{ .Path }}", false),
        ] {
            assert_eq!(by_reference(command), expected, "{command}");
        }
    }
}
