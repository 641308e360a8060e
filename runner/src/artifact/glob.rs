//! CodeBuild's file patterns: `*` stays within one component, `**` crosses them, dot files are files like others.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A list of patterns, each relative to a base directory.
#[derive(Clone, Debug)]
pub struct Globs {
    set: GlobSet,
    patterns: Vec<String>,
    outside: Vec<String>,
}

impl Globs {
    /// Reads the patterns.
    ///
    /// # Errors
    /// A sentence about the first pattern that is none.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        let leads_out = |pattern: &String| pattern.starts_with('/') || pattern.split('/').any(|part| part == "..");
        let patterns = patterns.iter().map(|pattern| normal(pattern));
        let (outside, patterns): (Vec<String>, Vec<String>) = patterns.partition(leads_out);
        for pattern in &patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|error| format!("`{pattern}` is not a file pattern: {}", error.kind()))?);
        }
        let set = set.build().map_err(|error| format!("the file patterns are too large: {}", error.kind()))?;
        Ok(Self { set, patterns, outside })
    }

    /// Whether any of the patterns matches a relative path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// The directories under which alone there can be a match, none inside another; `""` is the base directory.
    #[must_use]
    pub fn roots(&self) -> Vec<String> {
        let mut roots: Vec<String> = self.patterns.iter().map(|pattern| fixed_part(pattern).to_owned()).collect();
        roots.sort_unstable();
        let mut apart: Vec<String> = Vec::new();
        for root in roots {
            let inside = |outer: &String| {
                outer.is_empty()
                    || root.strip_prefix(outer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !apart.iter().any(inside) {
                apart.push(root);
            }
        }
        apart
    }

    /// The patterns that lead out of the base directory, which match nothing.
    #[must_use]
    pub fn outside(&self) -> &[String] {
        &self.outside
    }

    /// The patterns that are plain paths.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(String::as_str).filter(|pattern| !has_wildcard(pattern))
    }
}

/// The components of a pattern before the first with a wildcard, the last one (a file's name) excepted when there is
/// none.
pub(crate) fn fixed_part(pattern: &str) -> &str {
    let mut end = 0;
    for (at, _) in pattern.match_indices('/').chain([(pattern.len(), "")]) {
        if has_wildcard(&pattern[..at]) {
            return &pattern[..end];
        }
        end = at;
    }
    pattern
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{', '\\'])
}

/// Without `./`, doubled or trailing slashes.
fn normal(pattern: &str) -> String {
    let parts = pattern.trim().split('/').filter(|part| !part.is_empty() && *part != ".");
    let relative = parts.collect::<Vec<_>>().join("/");
    if pattern.trim().starts_with('/') { format!("/{relative}") } else { relative }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let globs = Globs::new(&[pattern.to_owned()]).unwrap();
        for path in matching {
            assert!(globs.matches(path), "{pattern} does not match {path}");
        }
        for path in others {
            assert!(!globs.matches(path), "{pattern} matches {path}");
        }
    }

    #[test]
    fn patterns_mean_what_codebuild_means() {
        check("**/*", &["a", "a/b", ".a/.b", "a b/c"], &[]);
        check("dir/*", &["dir/a", "dir/.a"], &["dir/a/b", "dir", "a/dir/b"]);
        check("dir/**/*", &["dir/a", "dir/a/b/c"], &["dir", "other/dir/a"]);
        check("*.jar", &["a.jar"], &["target/a.jar", "a.jar.txt"]);
        check("target/*.jar", &["target/a.jar"], &["target/b/a.jar"]);
        check("./dir//a.txt", &["dir/a.txt"], &["a.txt"]);
        check("**/.*", &[".env", "a/.env"], &[".git/config", "env"]);
        check("**/.*/**/*", &[".git/config", "a/.git/b/c"], &[".env"]);
        check("dir/", &["dir"], &["dir/a"]);
    }

    #[test]
    fn a_broken_pattern_is_told() {
        let message = Globs::new(&["a[".into()]).unwrap_err();
        assert!(message.starts_with("`a[` is not a file pattern"), "{message}");
    }

    #[test]
    fn only_directories_that_can_hold_a_match_are_searched() {
        let roots = |patterns: &[&str]| {
            Globs::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap().roots()
        };
        assert_eq!(roots(&["dist/**/*", "dist/js/*.js", "distant/a", "b.yml"]), ["b.yml", "dist", "distant/a"]);
        assert_eq!(roots(&["dist/a", "**/*"]), [""]);
        assert_eq!(roots(&["a/b*/c"]), ["a"]);
    }

    proptest! {
        #[test]
        fn what_matches_lies_under_a_root(pattern in "[ab*/]{1,8}", path in "[ab]{1,2}(/[ab]{1,2}){0,3}") {
            let Ok(globs) = Globs::new(&[pattern]) else { return Ok(()) };
            let inside = |root: &String| root.is_empty() || path == *root || path.starts_with(&format!("{root}/"));
            prop_assert!(!globs.matches(&path) || globs.roots().iter().any(inside));
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(pattern in ".{0,20}") {
            let _ = Globs::new(&[pattern]).map(|globs| globs.roots());
        }
    }
}
