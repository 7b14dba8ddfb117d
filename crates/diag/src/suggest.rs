//! "did you mean".

/// The candidate closest to what was written, if it is close enough to be what was meant: at most a third of its letters
/// apart (transpositions count once), letter case and `-`/`_` aside.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_lowercase().replace('-', "_");
    let folded = fold(wrong);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(3)) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn close_names_only() {
        let names = ["ami_name", "region", "instance_type"];
        assert_eq!(did_you_mean("amiName", names), Some("ami_name"));
        assert_eq!(did_you_mean("instance-typ", names), Some("instance_type"));
        assert_eq!(did_you_mean("banana", names), None);
    }
}
