//! Symbolic links in bundles that others make, and that others unpack.

use std::path::{Component, Path};

/// Whether a link in the folder `from` of a bundle that says `target` leads to a place in the bundle.
///
/// A `..` is for the start of a target only. After a name it leads to the parent of whatever the name is, and that may
/// be another link of the bundle.
pub(crate) fn stays_inside(from: &Path, target: &Path) -> bool {
    let mut depth = from.components().count();
    let mut named = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 && !named => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_up_first_and_then_down() {
        let stays = |from: &str, target: &str| stays_inside(Path::new(from), Path::new(target));
        for (from, target) in [("", "a/b"), ("a", ".."), ("a/b", "../../c/d"), ("a", "./../c"), ("", ".")] {
            assert!(stays(from, target), "{from} {target}");
        }
        for (from, target) in [("", ".."), ("a", "../.."), ("a", "b/.."), ("a", "../b/../c"), ("a/b", "/c")] {
            assert!(!stays(from, target), "{from} {target}");
        }
    }
}
