//! Decides from a listing what goes into a bundle, and under what name.

use std::collections::BTreeMap;
use std::path::Path;

use super::walk::Found;
use super::{Globs, Member, MemberKind, Selection};
use crate::link;

/// Selects from what was found, base directory by base directory; of two members with one name the later is kept.
pub(super) fn select(found: Vec<Found>, files: &Globs, exclude: &Globs, discard_paths: bool) -> Selection {
    let mut members: BTreeMap<String, (String, Member)> = BTreeMap::new();
    let mut notices = Vec::new();
    for Found { name, path, what } in found {
        if !files.matches(&name) || exclude.matches(&name) {
            continue;
        }
        let kind = match what {
            Ok(MemberKind::EmptyDirectory { .. }) if discard_paths => continue,
            Ok(kind) => kind,
            Err(why) => {
                notices.push(format!("`{name}` {why}"));
                continue;
            }
        };
        let short = name.rsplit('/').next().unwrap_or(&name);
        if let MemberKind::Link { target } = &kind {
            let folder = Path::new(if discard_paths { short } else { &name }).parent().unwrap_or(Path::new(""));
            if !link::stays_inside(folder, Path::new(target)) {
                notices.push(format!("`{name}` leads out of the artifact (to {target}) and is left out"));
                continue;
            }
        }
        let member = Member { name: if discard_paths { short.to_owned() } else { name.clone() }, path, kind };
        if let Some((before, _)) = members.insert(member.name.clone(), (name.clone(), member.clone())) {
            notices.push(match discard_paths {
                true => {
                    format!("`{before}` and `{name}` are both `{}` in the artifact: the later is kept", member.name)
                }
                false => format!("`{name}` is in more than one base directory: the later is kept"),
            });
        }
    }
    Selection { members: members.into_values().map(|(_, member)| member).collect(), notices }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(patterns: &[&str]) -> Globs {
        Globs::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn listing(names: &[&str]) -> Vec<Found> {
        names
            .iter()
            .map(|name| match name.strip_suffix('/') {
                Some(name) => {
                    Found { name: name.into(), path: name.into(), what: Ok(MemberKind::EmptyDirectory { mode: 0o755 }) }
                }
                None => Found {
                    name: (*name).into(),
                    path: name.into(),
                    what: Ok(MemberKind::File { bytes: 1, mode: 0o644 }),
                },
            })
            .collect()
    }

    fn names(selection: &Selection) -> Vec<String> {
        selection
            .members
            .iter()
            .map(|member| match member.name == member.path.to_string_lossy() {
                true => member.name.clone(),
                false => format!("{} from {}", member.name, member.path.display()),
            })
            .collect()
    }

    #[test]
    fn excluded_paths_are_taken_out_again() {
        let found = listing(&[".env", ".git/config", "a.txt", "b/.c", "b/d.txt", "e/"]);
        let selection = select(found, &globs(&["**/*"]), &globs(&["**/.*", "**/.*/**/*"]), false);
        assert_eq!(names(&selection), ["a.txt", "b/d.txt", "e"]);
    }

    #[test]
    fn discarded_paths_keep_the_later_of_two_files_with_one_name_and_say_so() {
        let selection = select(listing(&["a/x", "b/x", "b/y", "c/"]), &globs(&["**/*"]), &globs(&[]), true);
        assert_eq!(names(&selection), ["x from b/x", "y from b/y"]);
        assert_eq!(selection.notices, ["`a/x` and `b/x` are both `x` in the artifact: the later is kept"]);
    }

    #[test]
    fn what_cannot_be_taken_is_told_only_where_it_was_asked_for() {
        let found = ["in/pipe", "out/pipe"].map(|name| Found {
            name: name.into(),
            path: name.into(),
            what: Err("is a pipe".into()),
        });
        let selection = select(found.into(), &globs(&["in/*"]), &globs(&[]), false);
        assert_eq!((names(&selection), selection.notices), (vec![], vec!["`in/pipe` is a pipe".to_owned()]));
    }
}
