//! Settings of a rendering.

/// How a template file is read and written: the options of the `template` module and the `#jinja2:` header line.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A newline at the end of the file stays. Default: yes (the `template` module); the `template` lookup: too.
    pub keep_trailing_newline: bool,
    /// Lines that start with this are statements.
    pub line_statement_prefix: Option<String>,
    /// What follows this on a line is a comment.
    pub line_comment_prefix: Option<String>,
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
            keep_trailing_newline: true,
            line_statement_prefix: None,
            line_comment_prefix: None,
        }
    }
}

impl FileOptions {
    /// For strings in playbooks: blocks keep their newline and the last newline stays.
    pub fn inline() -> Self {
        FileOptions { trim_blocks: false, ..FileOptions::default() }
    }
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
