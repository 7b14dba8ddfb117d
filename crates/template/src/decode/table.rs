//! Option tables: what a plugin accepts, one row an option. Decoding, "did you mean" and the printed documentation read the same rows.

/// What an option holds. Decoding is as weak as Packer's (see [`super`]).
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string; numbers and booleans are taken as text.
    String,
    /// A signed integer; `"22"` is taken, `0x16` and `026` too.
    Int,
    /// An integer from 0 to the given maximum (a port, a small counter).
    UInt(u64),
    /// A boolean; `"true"`, `"0"`, `1` are taken, `""` is false.
    Bool,
    /// Unset, true or false; `""` is unset.
    Trilean,
    /// A duration: `"1h10m"`; a bare number counts nanoseconds, as in Packer.
    Duration,
    /// A list of strings; `"a,b"` is taken.
    Strings,
    /// A list of lists of strings.
    StringLists,
    /// A list of integers.
    Ints,
    /// A map of strings.
    Map,
    /// A map of lists of strings.
    MapOfStrings,
    /// A map of strings that also has a singular form of `{key, value}` blocks (`tags` and `tag`).
    KeyValues {
        /// The singular form's name.
        singular: &'static str,
    },
    /// The same with `{name, value}` blocks (`run_volume_tags` and `run_volume_tag`).
    NameValues {
        /// The singular form's name.
        singular: &'static str,
    },
    /// One nested block.
    Block(&'static Table),
    /// A list of nested blocks; a single block is taken.
    Blocks(&'static Table),
    /// Any value, given on as it is (rendered).
    Any,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its name; matched without regard to letter case.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its strings are only checked for syntax in the first pass and rendered by the plugin in the second, with data fields.
    pub later: bool,
    /// Accepted by Packer, but with this advice: printed as a warning.
    pub deprecated: Option<&'static str>,
    /// Known, but not something we do: refused with this reason.
    pub refused: Option<&'static str>,
    /// For the printed table: its default.
    pub default: &'static str,
    /// For the printed table: what it is.
    pub doc: &'static str,
}

impl Opt {
    /// An option of this name and kind, rendered in the first pass.
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Opt { name, kind, later: false, deprecated: None, refused: None, default: "", doc }
    }

    /// Its strings are rendered in the second pass.
    pub const fn later(mut self) -> Self {
        self.later = true;
        self
    }

    /// Says the default in the printed table; decoding leaves an absent option absent.
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Warns with this advice where it is used.
    pub const fn deprecated(mut self, advice: &'static str) -> Self {
        self.deprecated = Some(advice);
        self
    }

    /// Refuses it, by name, with this reason.
    pub const fn refused(mut self, reason: &'static str) -> Self {
        self.refused = Some(reason);
        self
    }
}

/// Options that old templates use and `packer fix` would replace: refused with what to write instead.
#[derive(Debug, Clone, Copy)]
pub struct Renamed {
    /// The old name.
    pub old: &'static str,
    /// What to do instead: `use "shutdown_behavior"`.
    pub advice: &'static str,
}

/// All options of one plugin or one nested block.
#[derive(Debug)]
pub struct Table {
    /// The plugin's or block's name in messages and headings.
    pub name: &'static str,
    /// The rows, in groups that several plugins may share (access, ssh, …).
    pub groups: &'static [&'static [Opt]],
    /// Old names.
    pub renamed: &'static [Renamed],
}

impl Table {
    /// A table of these groups of rows.
    pub const fn new(name: &'static str, groups: &'static [&'static [Opt]]) -> Self {
        Table { name, groups, renamed: &[] }
    }

    /// With old names that are refused with advice.
    pub const fn renamed(mut self, renamed: &'static [Renamed]) -> Self {
        self.renamed = renamed;
        self
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// Every name that can be written, singular forms included.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.rows().flat_map(|row| {
            let singular = match row.kind {
                Kind::KeyValues { singular } | Kind::NameValues { singular } => Some(singular),
                _ => None,
            };
            std::iter::once(row.name).chain(singular)
        })
    }
}
