//! Colours of the output, by meaning, and the codes that a terminal shows them with.

/// Ansible's colours by what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// `ok`.
    Ok,
    /// `changed`.
    Changed,
    /// `skipping`.
    Skip,
    /// `fatal`, `failed`.
    Error,
    /// `UNREACHABLE!`.
    Unreachable,
    /// `included`.
    Included,
    /// Warnings.
    Warn,
    /// Deprecations.
    Deprecate,
    /// Extra lines of `-v`.
    Verbose,
    /// Retries.
    Debug,
    /// `+` lines of a diff.
    DiffAdd,
    /// `-` lines of a diff.
    DiffRemove,
    /// `@@` lines of a diff.
    DiffLines,
}

impl Color {
    /// The SGR parameters that Ansible uses for it by default.
    pub fn code(self) -> &'static str {
        match self {
            Color::Ok | Color::DiffAdd => "0;32",
            Color::Changed => "0;33",
            Color::Skip | Color::Included | Color::DiffLines => "0;36",
            Color::Error | Color::DiffRemove => "0;31",
            Color::Unreachable => "1;31",
            Color::Warn => "1;35",
            Color::Deprecate => "0;35",
            Color::Verbose => "0;34",
            Color::Debug => "1;30",
        }
    }

    /// `text` in this colour, each line by itself.
    pub fn paint(self, text: &str) -> String {
        let painted: Vec<String> = text.split('\n').map(|line| format!("\x1b[{}m{line}\x1b[0m", self.code())).collect();
        painted.join("\n")
    }
}
