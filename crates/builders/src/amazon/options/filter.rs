//! Filters of a template (`source_ami_filter`, `vpc_filter`, …): names with alternatives.

use crate::amazon::types::Filter;
use crate::read::{map, text};
use imgbuild_template::Reader;

/// The filters of a block, `filter` blocks over `filters`; each value split as a line of CSV, as Packer does.
pub fn filters(block: &Reader) -> Vec<Filter> {
    let mut all = map(block, "filters");
    for pair in block.blocks("filter") {
        let (name, value) = (text(&pair, "name").unwrap_or_default(), text(&pair, "value").unwrap_or_default());
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => all.push((name, value)),
        }
    }
    all.into_iter().map(|(name, value)| Filter { name, values: csv_line(&value) }).collect()
}

/// The fields of one CSV line: `"a, b",c` is `a, b` and `c`; leading blanks of a field are dropped.
fn csv_line(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line.trim_end_matches(['\r', '\n']);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let field;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut left = quoted;
            loop {
                match left.find('"') {
                    Some(at) if left[at + 1..].starts_with('"') => {
                        text.push_str(&left[..=at]);
                        left = &left[at + 2..];
                    }
                    // A quote that ends nothing is part of the text, as with Go's LazyQuotes.
                    Some(at) if !(left[at + 1..].is_empty() || left[at + 1..].starts_with(',')) => {
                        text.push_str(&left[..=at]);
                        left = &left[at + 1..];
                    }
                    Some(at) => {
                        text.push_str(&left[..at]);
                        left = &left[at + 1..];
                        break;
                    }
                    None => {
                        text.push_str(left);
                        left = "";
                        break;
                    }
                }
            }
            field = text;
            rest = left;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field = rest[..end].to_owned();
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::csv_line;

    #[test]
    fn filter_values_are_csv() {
        for (line, fields) in [
            ("a", vec!["a"]),
            ("a,b", vec!["a", "b"]),
            ("a, b", vec!["a", "b"]),
            ("\"a, b\",c", vec!["a, b", "c"]),
            ("say \"hi\"", vec!["say \"hi\""]),
            ("\"a\"\"b\"", vec!["a\"b"]),
            ("", vec![""]),
        ] {
            assert_eq!(csv_line(line), fields, "{line}");
        }
    }
}
