//! The references of a repository as a value: from a remote's listing, to and from a `packed-refs` file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use git2::Oid;

use crate::fault::Fault;

/// References by full name. Text form: Git's `packed-refs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refs {
    named: BTreeMap<String, Ref>,
    /// The full name of the branch at HEAD.
    pub(super) head: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ref {
    id: Oid,
    /// What an annotated tag stands for.
    peeled: Option<Oid>,
}

/// What was asked for, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The commit, or the tag that stands for it.
    pub(super) id: Oid,
    /// The branch's short name, when a branch was asked for.
    pub(super) branch: Option<String>,
}

impl Refs {
    /// What a remote lists.
    pub(super) fn of_listing(heads: &[git2::RemoteHead<'_>]) -> Self {
        let mut refs = Self::default();
        for head in heads {
            match head.name() {
                "HEAD" => refs.head = head.symref_target().map(str::to_owned),
                // A name that is no name would make the file of references say something else.
                name if git2::Reference::is_valid_name(name.trim_end_matches("^{}")) => refs.insert(name, head.oid()),
                _ => {}
            }
        }
        // Old servers do not say which branch HEAD is.
        if refs.head.is_none()
            && let Some(at) = heads.iter().find(|head| head.name() == "HEAD").map(git2::RemoteHead::oid)
        {
            let usual = ["refs/heads/main", "refs/heads/master"].map(str::to_owned);
            let branches = usual.iter().chain(refs.named.keys().filter(|name| name.starts_with("refs/heads/")));
            refs.head = branches.into_iter().find(|name| refs.id(name) == Some(at)).cloned();
        }
        refs
    }

    fn insert(&mut self, name: &str, id: Oid) {
        if let Some(tag) = name.strip_suffix("^{}") {
            if let Some(found) = self.named.get_mut(tag) {
                found.peeled = Some(id);
            }
        } else {
            self.named.insert(name.to_owned(), Ref { id, peeled: None });
        }
    }

    /// Reads a `packed-refs` file; what is no reference is passed over.
    pub(super) fn of_text(text: &str, head: Option<String>) -> Self {
        let mut refs = Self { named: BTreeMap::new(), head };
        let mut last = String::new();
        for line in text.lines() {
            if let Some(peeled) = line.strip_prefix('^').and_then(|id| Oid::from_str(id).ok()) {
                refs.insert(&format!("{last}^{{}}"), peeled);
            } else if let Some((id, name)) = line.split_once(' ')
                && let Ok(id) = Oid::from_str(id)
            {
                refs.insert(name, id);
                name.clone_into(&mut last);
            }
        }
        refs
    }

    /// The text of a `packed-refs` file.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::from("# pack-refs with: peeled fully-peeled sorted \n");
        for (name, Ref { id, peeled }) in &self.named {
            let _ = writeln!(text, "{id} {name}");
            if let Some(peeled) = peeled {
                let _ = writeln!(text, "^{peeled}");
            }
        }
        text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// What a full name stands for.
    pub(super) fn id(&self, name: &str) -> Option<Oid> {
        self.named.get(name).map(|found| found.id)
    }

    /// Only what a mirror keeps: branches and tags.
    pub(super) fn branches_and_tags(mut self) -> Self {
        self.named.retain(|name, _| name.starts_with("refs/heads/") || name.starts_with("refs/tags/"));
        self
    }

    /// The references of a checkout: the remote's branches under `refs/remotes/origin`, and the branch at hand as a
    /// branch of its own. With `only`, as `git clone --depth` does, that branch and the tags on those commits.
    pub(super) fn of_checkout(&self, branch: Option<&str>, commit: Oid, only: Option<&[Oid]>) -> Self {
        let mut made = Self::default();
        for (name, found) in &self.named {
            let target = found.peeled.unwrap_or(found.id);
            if let Some(short) = name.strip_prefix("refs/heads/") {
                if only.is_none() || branch == Some(short) {
                    made.named.insert(format!("refs/remotes/origin/{short}"), *found);
                }
            } else if name.starts_with("refs/tags/") && only.is_none_or(|only| only.contains(&target)) {
                made.named.insert(name.clone(), *found);
            }
        }
        if let Some(branch) = branch {
            made.insert(&format!("refs/heads/{branch}"), commit);
            made.insert(&format!("refs/remotes/origin/{branch}"), commit);
        }
        made
    }

    /// Finds a branch, a tag or a full reference name; `None` is the branch at HEAD.
    pub(super) fn find(&self, url: &str, name: Option<&str>) -> Result<Found, Fault> {
        if self.is_empty() {
            let hint = "push a commit first";
            return Err(Fault::revision(format!("{url}: the repository is empty")).hint(hint));
        }
        let Some(name) = name else {
            let found = self.head.as_deref().and_then(|head| self.found(head));
            let hint = "name a branch, tag or commit in the source";
            return found.ok_or_else(|| Fault::revision(format!("{url}: has no HEAD")).hint(hint));
        };
        let found = ["refs/heads/", "refs/tags/", "refs/", ""]
            .iter()
            .filter(|prefix| !prefix.is_empty() || name.starts_with("refs/"))
            .find_map(|prefix| self.found(&format!("{prefix}{name}")));
        found.ok_or_else(|| {
            let fault = Fault::revision(format!("{url}: no branch or tag `{name}`"));
            let near = self.near(name);
            if !near.is_empty() {
                fault.hint(format!("there is {}", near.join(", ")))
            } else if name.len() < 40 && name.len() >= 7 && name.chars().all(|c| c.is_ascii_hexdigit()) {
                fault.hint("a commit is named by all 40 digits of its id")
            } else {
                fault.hint("check the name, and that it was pushed")
            }
        })
    }

    fn found(&self, full: &str) -> Option<Found> {
        let id = self.id(full)?;
        Some(Found { id, branch: full.strip_prefix("refs/heads/").map(str::to_owned) })
    }

    /// Up to five names that look like it, the nearest first.
    fn near(&self, name: &str) -> Vec<String> {
        let short = |full: &str| full.splitn(3, '/').nth(2).map(str::to_owned);
        let mut near: Vec<(usize, String)> = self
            .named
            .keys()
            .filter_map(|full| short(full))
            .map(|short| (strsim::damerau_levenshtein(&short.to_lowercase(), &name.to_lowercase()), short))
            .filter(|(distance, short)| *distance <= 1 + name.len() / 3 || short.split('/').any(|part| part == name))
            .collect();
        near.sort();
        near.dedup();
        near.into_iter().take(5).map(|(_, short)| format!("`{short}`")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# pack-refs with: peeled fully-peeled sorted \n\
        1111111111111111111111111111111111111111 refs/heads/feature/login\n\
        2222222222222222222222222222222222222222 refs/heads/main\n\
        3333333333333333333333333333333333333333 refs/tags/v1\n\
        ^2222222222222222222222222222222222222222\n";

    fn refs() -> Refs {
        Refs::of_text(TEXT, Some("refs/heads/main".to_owned()))
    }

    #[test]
    fn text_goes_in_and_the_same_comes_out() {
        assert_eq!(refs().to_text(), TEXT);
    }

    #[test]
    fn a_name_is_a_branch_before_it_is_a_tag() {
        let check = |name: Option<&str>, digit: &str, branch: Option<&str>| {
            let found = refs().find("u", name).unwrap();
            assert_eq!((found.id.to_string(), found.branch.as_deref()), (digit.repeat(40), branch), "{name:?}");
        };
        check(None, "2", Some("main"));
        check(Some("feature/login"), "1", Some("feature/login"));
        check(Some("v1"), "3", None);
        check(Some("tags/v1"), "3", None);
        check(Some("refs/heads/main"), "2", Some("main"));
    }

    #[test]
    fn a_name_that_is_not_there_lists_names_near_it() {
        let hint = |name: &str| refs().find("u", Some(name)).unwrap_err().hint.unwrap();
        assert_eq!(hint("mian"), "there is `main`");
        assert_eq!(hint("login"), "there is `feature/login`");
        assert_eq!(hint("abcdef0"), "a commit is named by all 40 digits of its id");
        assert_eq!(Refs::default().find("u", None).unwrap_err().message, "u: the repository is empty");
    }

    #[test]
    fn a_checkout_has_the_remotes_branches_and_its_own() {
        let commit = Oid::from_str(&"2".repeat(40)).unwrap();
        let all = refs().of_checkout(Some("main"), commit, None).to_text();
        let names: Vec<_> = all.lines().filter_map(|line| line.split_once(" refs/")).map(|(_, name)| name).collect();
        assert_eq!(names, ["heads/main", "remotes/origin/feature/login", "remotes/origin/main", "tags/v1"]);
        let shallow = refs().of_checkout(Some("main"), commit, Some(&[commit]));
        assert_eq!(shallow.named.len(), 3, "{shallow:?}");
    }
}
