//! The submodules of a checked-out commit: which there are, and how a repository is told of them.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use super::checkout::Place;
use super::url::Address;
use crate::fault::{Fault, io as io_fault};

/// A submodule that is to be fetched.
#[derive(Debug)]
pub(super) struct Submodule {
    pub(super) address: Address,
    pub(super) commit: git2::Oid,
    /// Its repository's folder and work tree.
    pub(super) git_dir: PathBuf,
    pub(super) work: PathBuf,
}

/// The submodules of a work tree, as `.gitmodules` and the commit have them.
pub(super) fn listed(
    place: &Place,
    parent: &Address,
    commits: &[(Vec<u8>, git2::Oid)],
) -> Result<Vec<Submodule>, Fault> {
    let file = place.work.join(".gitmodules");
    if commits.is_empty() || !file.symlink_metadata().is_ok_and(|stat| stat.is_file()) {
        return Ok(Vec::new());
    }
    let bad = |error: git2::Error| Fault::revision(format!(".gitmodules: {}", error.message()));
    let config = git2::Config::open(&file).map_err(bad)?;
    let mut found = Vec::new();
    let mut told = String::new();
    for (path, commit) in commits {
        let path = String::from_utf8_lossy(path).into_owned();
        let Some((name, url)) = named(&config, &path).map_err(bad)? else {
            continue;
        };
        // The name becomes a folder's, and must not lead out of `.git/modules`.
        if !Path::new(&name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Fault::revision(format!(".gitmodules: `{name}` cannot be a submodule's name")));
        }
        let address = parent.join(&url).map_err(|fault| fault.doing(format!("submodule `{name}`")))?;
        // As Git has it (`protocol.file.allow`): nobody else's repository may say what is read of this machine.
        if matches!(address, Address::Path(_)) && !matches!(parent, Address::Path(_)) {
            let text = format!("submodule `{name}`: {address} is a path of this machine, and its parent is not");
            return Err(Fault::configuration(text).hint("give the submodule a URL in .gitmodules"));
        }
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        told.push_str(&format!("[submodule \"{quoted}\"]\n\tactive = true\n"));
        let (git_dir, work) = (place.git_dir.join("modules").join(&name), place.work.join(&path));
        found.push(Submodule { address, commit: *commit, git_dir, work });
    }
    let config = place.git_dir.join("config");
    let append = || fs::File::options().append(true).open(&config)?.write_all(told.as_bytes());
    append().map_err(io_fault(&config))?;
    Ok(found)
}

/// The name and URL of the submodule at a path.
fn named(config: &git2::Config, path: &str) -> Result<Option<(String, String)>, git2::Error> {
    let mut entries = config.entries(Some(r"^submodule\..*\.path$"))?;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        if entry.value_bytes() == path.as_bytes()
            && let Some(name) = key.strip_prefix("submodule.").and_then(|key| key.strip_suffix(".path"))
        {
            let url = config.get_string(&format!("submodule.{name}.url"))?;
            return Ok(Some((name.to_owned(), url)));
        }
    }
    Ok(None)
}

/// Puts the file that leads from a submodule's work tree to its repository, and the URL into the parent's configuration.
pub(super) fn tie(submodule: &Submodule) -> Result<(), Fault> {
    let file = submodule.work.join(".git");
    let to = relative(&submodule.work, &submodule.git_dir);
    fs::write(&file, format!("gitdir: {}\n", to.display())).map_err(io_fault(&file))
}

/// The way from one folder to another, both absolute or both relative to the same place.
pub(super) fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The submodule `lib` whose URL is `url`, of a repository at `parent`.
    fn only(parent: &str, name: &str, url: &str) -> Result<Address, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { git_dir: folder.path().join(".git"), work: folder.path().to_owned(), url: String::new() };
        place.prepare().unwrap();
        fs::write(place.git_dir.join("config"), "").unwrap();
        let text = format!("[submodule \"{name}\"]\n\tpath = lib\n\turl = {url}\n");
        fs::write(folder.path().join(".gitmodules"), text).unwrap();
        let commits = [(b"lib".to_vec(), git2::Oid::ZERO_SHA1)];
        listed(&place, &Address::parse(parent).unwrap(), &commits).map(|mut found| found.remove(0).address)
    }

    #[test]
    fn a_way_between_folders_goes_up_and_down() {
        let check = |from: &str, to: &str, way: &str| assert_eq!(relative(from.as_ref(), to.as_ref()), Path::new(way));
        check("/w/.git/modules/a/b", "/w/lib/x", "../../../../lib/x");
        check("/w/lib/x", "/w/.git/modules/x", "../../.git/modules/x");
    }

    #[test]
    fn a_submodules_name_cannot_lead_out() {
        let fault = only("https://h/a/b", "../../x", "../lib.git").unwrap_err();
        assert!(fault.message.contains("cannot be a submodule's name"), "{fault}");
    }

    #[test]
    fn a_path_of_this_machine_is_a_submodule_of_another_one_only() {
        for url in ["/etc/repo", "file:///srv/repo", "srv/repo"] {
            let fault = only("https://h/a/b", "lib", url).unwrap_err();
            assert!(fault.message.contains("is a path of this machine"), "{fault}");
            assert!(matches!(only("/srv/app", "lib", url), Ok(Address::Path(_))));
        }
        assert_eq!(only("https://h/a/b", "lib", "../c").unwrap().to_string(), "https://h/a/c");
    }
}
