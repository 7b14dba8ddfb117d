//! What the layout changes, as `diff -u` shows it.

/// A unified diff with three lines around each change; empty if nothing changed. `label` is the file's name.
pub fn unified(old: &str, new: &str, label: &str) -> String {
    let diff = similar::TextDiff::from_lines(old, new);
    diff.unified_diff().context_radius(3).header(&format!("old/{label}"), &format!("new/{label}")).to_string()
}
