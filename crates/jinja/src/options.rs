//! Settings of a rendering.

/// How a template file is read and written: the options of the `template` module and the `#jinja2:` header line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileOptions {
    /// `{%`
    pub block_start_string: String,
    /// `%}`
    pub block_end_string: String,
    /// `{{`
    pub variable_start_string: String,
    /// `}}`
    pub variable_end_string: String,
    /// `{#`
    pub comment_start_string: String,
    /// `#}`
    pub comment_end_string: String,
    /// The first newline after a block is removed. Default: yes, unlike Jinja itself.
    pub trim_blocks: bool,
    /// Blanks before a block at the start of a line are removed.
    pub lstrip_blocks: bool,
    /// The output's line ends: `\n`, `\r` or `\r\n`.
    pub newline_sequence: String,
    /// A newline at the end of included files stays. That of the template itself always stays, as in Ansible.
    pub keep_trailing_newline: bool,
    /// Lines that start with this are statements.
    pub line_statement_prefix: Option<String>,
    /// What follows this on a line is a comment.
    pub line_comment_prefix: Option<String>,
}

impl FileOptions {
    /// The marks of a template by the names that Ansible's module `template` has for them.
    pub fn marks(&mut self) -> [(&'static str, &mut String); 6] {
        [
            ("block_start_string", &mut self.block_start_string),
            ("block_end_string", &mut self.block_end_string),
            ("variable_start_string", &mut self.variable_start_string),
            ("variable_end_string", &mut self.variable_end_string),
            ("comment_start_string", &mut self.comment_start_string),
            ("comment_end_string", &mut self.comment_end_string),
        ]
    }
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            block_start_string: "{%".into(),
            block_end_string: "%}".into(),
            variable_start_string: "{{".into(),
            variable_end_string: "}}".into(),
            comment_start_string: "{#".into(),
            comment_end_string: "#}".into(),
            trim_blocks: true,
            lstrip_blocks: false,
            newline_sequence: "\n".into(),
            keep_trailing_newline: false,
            line_statement_prefix: None,
            line_comment_prefix: None,
        }
    }
}

/// Tags beyond Jinja's own (`jinja2_extensions` of Ansible's configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extensions {
    /// `{% do %}` (`jinja2.ext.do`).
    pub do_: bool,
    /// `{% break %}` and `{% continue %}` (`jinja2.ext.loopcontrols`).
    pub loop_controls: bool,
}

/// What one rendering may cost. A template that goes past a limit fails with [`crate::ErrorKind::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Evaluated nodes (expressions, statements, loop turns).
    pub steps: u64,
    /// Variables inside variables, macros and includes inside each other.
    pub depth: u32,
    /// Bytes of one text.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { steps: 50_000_000, depth: 100, output: 256 << 20 }
    }
}

impl FileOptions {
    /// Sets one option from its name and a Python literal, as `#jinja2:` lines have them.
    pub fn set(&mut self, name: &str, literal: &str) -> Result<(), String> {
        let flag = || match literal {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(format!("{name} must be True or False, not {other}")),
        };
        let text =
            || crate::syntax::literal(literal).ok_or_else(|| format!("{name} must be a quoted string, not {literal}"));
        match name {
            "block_start_string" => self.block_start_string = text()?,
            "block_end_string" => self.block_end_string = text()?,
            "variable_start_string" => self.variable_start_string = text()?,
            "variable_end_string" => self.variable_end_string = text()?,
            "comment_start_string" => self.comment_start_string = text()?,
            "comment_end_string" => self.comment_end_string = text()?,
            "line_statement_prefix" => self.line_statement_prefix = Some(text()?),
            "line_comment_prefix" => self.line_comment_prefix = Some(text()?),
            "trim_blocks" => self.trim_blocks = flag()?,
            "lstrip_blocks" => self.lstrip_blocks = flag()?,
            "keep_trailing_newline" => self.keep_trailing_newline = flag()?,
            "newline_sequence" => match text()? {
                s if ["\n", "\r", "\r\n"].contains(&s.as_str()) => self.newline_sequence = s,
                _ => return Err("newline_sequence must be '\\n', '\\r' or '\\r\\n'".into()),
            },
            _ => return Err(format!("Invalid '#jinja2:' override key '{name}'.")),
        }
        Ok(())
    }
}
