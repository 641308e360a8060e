//! The configuration of a swapped action: which of its words were there before, and which are ours.

use crate::queue::codepipeline::action_type::{
    BATCH_ENABLED, BUILDSPEC, COMBINE_ARTIFACTS, COMMIT_ID, ENVIRONMENT_VARIABLES, IMAGE, OPTIONS, POOL,
    PRIMARY_SOURCE, PROJECT_NAME,
};

/// Words that CodeBuild's action and ours share. A swap leaves their values alone, and adds none of them, so that the
/// way back only takes away what is in [`OURS`].
pub(super) const SHARED: [&str; 5] =
    [PROJECT_NAME, PRIMARY_SOURCE, ENVIRONMENT_VARIABLES, BATCH_ENABLED, COMBINE_ARTIFACTS];

/// Words that only our action has.
pub(super) const OURS: [&str; 5] = [POOL, BUILDSPEC, IMAGE, OPTIONS, COMMIT_ID];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::codepipeline::action_type::Category;

    #[test]
    fn every_word_of_a_build_is_either_shared_or_ours() {
        let mut known: Vec<&str> = SHARED.into_iter().chain(OURS).collect();
        let mut words: Vec<&str> = Category::Build.properties().iter().map(|property| property.name).collect();
        known.sort_unstable();
        words.sort_unstable();
        assert_eq!(known, words);
    }
}
