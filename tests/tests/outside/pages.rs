//! The pages: every link to a file leads to one, and every page can be reached from the README.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sluice_tests::binary::repository;

/// The pages of a folder, without what is below it.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The files that a page links to; addresses and places in the page itself are left out.
fn links(page: &Path) -> Vec<(String, PathBuf)> {
    let text = std::fs::read_to_string(page).unwrap();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let folder = page.parent().unwrap();
    files.map(|target| (target.to_owned(), folder.join(target.split('#').next().unwrap()))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_every_page_is_linked_from_the_readme() {
    let root = repository();
    let mut all = [pages(root), pages(&root.join("docs")), pages(&root.join("examples"))].concat();
    for entry in std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(pages(&entry));
        }
    }
    for page in &all {
        for (target, file) in links(page) {
            assert!(file.exists(), "{} links to {target}, which is not there", page.display());
        }
    }
    let readme: BTreeSet<PathBuf> =
        links(&root.join("README.md")).into_iter().filter_map(|(_, file)| file.canonicalize().ok()).collect();
    for page in pages(&root.join("docs")) {
        assert!(readme.contains(&page.canonicalize().unwrap()), "the README does not link {}", page.display());
    }
}
