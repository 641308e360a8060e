//! Guesses at what was meant.

/// The candidate most like `written`, if one is like enough: a slip or two of the keyboard, or another case.
#[must_use]
pub fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = fold(written);
    // A key far longer than any candidate is not a slip, and comparing it would cost its length each time.
    if folded.is_empty() || folded.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The hint for a word that is not one of the candidates: the one that was meant, or else all of them.
#[must_use]
pub fn did_you_mean(written: &str, candidates: &[&str]) -> String {
    match nearest(written, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("known here: {}", candidates.join(", ")),
    }
}

/// Case, `_` and `-` are the commonest slips and do not count.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_understood() {
        let phases = ["install", "pre_build", "build", "post_build"];
        assert_eq!(nearest("prebuild", phases), Some("pre_build"));
        assert_eq!(nearest("pre-build", phases), Some("pre_build"));
        assert_eq!(nearest("Build", phases), Some("build"));
        assert_eq!(nearest("deploy", phases), None);
    }

    #[test]
    fn without_a_likely_word_all_are_named() {
        assert_eq!(did_you_mean("colour", &["name", "files"]), "known here: name, files");
    }
}
