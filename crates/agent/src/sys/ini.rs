//! INI files as Python's configparser writes them (`key = value`).

/// Sections in order, each with its options in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ini(pub Vec<(String, Vec<(String, String)>)>);

impl Ini {
    /// Parses; continued lines join with a line end, comments are dropped.
    pub fn parse(text: &str) -> Self {
        let mut out = Ini::default();
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                out.0.push((name.to_string(), Vec::new()));
                continue;
            }
            let Some((_, options)) = out.0.last_mut() else { continue };
            if line.starts_with(char::is_whitespace)
                && let Some((_, value)) = options.last_mut()
            {
                value.push('\n');
                value.push_str(trimmed);
            } else if let Some(at) = trimmed.find(['=', ':']) {
                options.push((trimmed[..at].trim().to_lowercase(), trimmed[at + 1..].trim().to_string()));
            }
        }
        out
    }

    /// A section's options.
    pub fn get(&self, section: &str) -> Option<&Vec<(String, String)>> {
        self.0.iter().find(|(name, _)| name == section).map(|(_, options)| options)
    }

    /// The file's text.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for (name, options) in &self.0 {
            out.push_str(&format!("[{name}]\n"));
            for (key, value) in options {
                out.push_str(&format!("{key} = {}\n", value.replace('\n', "\n\t")));
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let ini = Ini::parse("# c\n[a]\nName=x = y\nurl: http://h\n  more\n\n[b]\n");
        assert_eq!(ini.get("a").unwrap()[1], ("url".into(), "http://h\nmore".into()));
        assert_eq!(ini.show(), "[a]\nname = x = y\nurl = http://h\n\tmore\n\n[b]\n\n");
        assert_eq!(Ini::parse(&ini.show()), ini);
    }
}
