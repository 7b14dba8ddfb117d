//! Tokens of HCL's native syntax, as far as its layout tells them apart.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{`
    OpenBrace,
    /// `}`
    CloseBrace,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// The quote that begins a string.
    OpenQuote,
    /// The quote that ends one.
    CloseQuote,
    /// `<<EOT` with its line break.
    OpenHeredoc,
    /// The marker's line without its line break.
    CloseHeredoc,
    /// `${` or `%{`, with `~`.
    OpenTemplate,
    /// The `}` that ends one, with `~`.
    CloseTemplate,
    /// Text inside a string or heredoc.
    Literal,
    Number,
    Ident,
    /// A comment; of a line comment the line break is part.
    Comment,
    Newline,
    /// `=`
    Assign,
    Minus,
    /// Any other operator of arithmetic.
    Arithmetic,
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`
    Comparison,
    /// `&&`, `||`
    Logic,
    /// `!`
    Bang,
    Dot,
    Comma,
    /// `::`
    DoubleColon,
    /// `...`
    Ellipsis,
    Colon,
    Question,
    /// `=>`
    Arrow,
    /// What the language does not know.
    Unknown,
    /// The end of the text; its text is empty.
    End,
}

/// A token, and the blanks before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Spaces and tabs that were written before it.
    pub blanks: usize,
}

impl Token<'_> {
    /// Brackets that it opens (1) or closes (-1).
    pub fn depth(&self) -> isize {
        match self.kind {
            Kind::OpenBrace | Kind::OpenBracket | Kind::OpenParen | Kind::OpenTemplate => 1,
            Kind::CloseBrace | Kind::CloseBracket | Kind::CloseParen | Kind::CloseTemplate => -1,
            _ => 0,
        }
    }

    /// Whether a line ends with it.
    pub fn ends_line(&self) -> bool {
        self.kind == Kind::Newline || (self.kind == Kind::Comment && self.text.ends_with('\n'))
    }

    /// Columns: what a person sees as one character is one.
    pub fn columns(&self) -> usize {
        if self.text.is_ascii() {
            return self.text.len();
        }
        unicode_segmentation::UnicodeSegmentation::graphemes(self.text, true).count()
    }
}
