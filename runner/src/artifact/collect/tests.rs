//! Trees in, listings of bundles out, through the disk and a real unzip.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::super::MemberKind;
use super::*;
use crate::artifact::{Bundle, Destination, Selection, store};
use crate::cancel::{Cancel, Reason};
use crate::progress::Progress;

/// Makes a tree: `dir/` is a directory, `name -> target` a link, `name` a file that holds its name; `!` makes a file
/// executable.
fn tree(entries: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("src")).unwrap();
    for entry in entries {
        let (name, target) = entry.split_once(" -> ").unwrap_or((entry, ""));
        let path = root.path().join("src").join(name.trim_end_matches('!'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else if target.is_empty() {
            fs::write(&path, name).unwrap();
            let mode = if name.ends_with('!') { 0o755 } else { 0o640 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        } else {
            symlink(target.replace("ROOT", &root.path().to_string_lossy()), path).unwrap();
        }
    }
    root
}

fn rules(files: &[&str]) -> Rules {
    Rules { files: files.iter().map(|file| (*file).to_owned()).collect(), ..Rules::default() }
}

fn collect_in(root: &tempfile::TempDir, rules: &Rules, base: Option<&str>) -> Collected {
    let source = root.path().join("src");
    collect(rules, &base.map_or_else(|| Base::all(source.clone()), |base| Base::within(source.clone(), base, base)))
}

fn selected(collected: Collected) -> Selection {
    match collected {
        Collected::Selected(selection) => selection,
        Collected::Failed { message, notices } => panic!("{message}: {notices:?}"),
    }
}

/// The names collected and the notices, a line each.
#[track_caller]
fn check(root: &tempfile::TempDir, rules: &Rules, base: Option<&str>, expected: &str) {
    let (names, notices, failure) = match collect_in(root, rules, base) {
        Collected::Selected(selection) => (selection.members, selection.notices, None),
        Collected::Failed { message, notices } => (Vec::new(), notices, Some(message)),
    };
    let mut text = String::new();
    for member in names {
        let kind = match member.kind {
            MemberKind::File { .. } => String::new(),
            MemberKind::EmptyDirectory { .. } => "/".into(),
            MemberKind::Link { target } => format!(" -> {target}"),
        };
        writeln!(text, "{}{kind}", member.name).unwrap();
    }
    for notice in notices.into_iter().chain(failure) {
        writeln!(text, "# {notice}").unwrap();
    }
    let expected: String = expected.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(text, expected);
}

const TREE: [&str; 9] = [
    "appspec.yml",
    ".env",
    "dist/index.html",
    "dist/js/app.js",
    "dist/empty/",
    "my-build1/a",
    "my-build2/a",
    "my-build2/b",
    "other/c",
];

#[test]
fn files_are_collected_by_pattern_under_their_paths() {
    let root = tree(&TREE);
    check(
        &root,
        &rules(&["appspec.yml", "dist/**/*"]),
        None,
        "appspec.yml\ndist/empty/\ndist/index.html\ndist/js/app.js",
    );
    check(&root, &rules(&["dist/*"]), None, "dist/empty/\ndist/index.html");
    check(&root, &rules(&["**/*.js", ".env"]), None, ".env\ndist/js/app.js");
}

#[test]
fn a_base_directory_is_not_part_of_the_names() {
    let root = tree(&TREE);
    check(&root, &rules(&["**/*"]), Some("dist"), "empty/\nindex.html\njs/app.js");
    check(&root, &rules(&["**/*"]), Some("dist/js/"), "app.js");
    check(
        &root,
        &rules(&["**/*"]),
        Some("my-build*"),
        "a\nb\n# `a` is in more than one base directory: the later is kept",
    );
    let kept = selected(collect_in(&root, &rules(&["a"]), Some("my-build*")));
    assert!(kept.members[0].path.ends_with("my-build2/a"));
}

#[test]
fn what_matches_nothing_fails_in_the_words_of_codebuild() {
    let root = tree(&TREE);
    check(&root, &rules(&["nothing/**/*"]), None, "# no matching artifact paths found");
    check(
        &root,
        &rules(&["dist/empty"]),
        None,
        "# `dist/empty` is a directory: `dist/empty/**/*` takes what is in it\n# no matching artifact paths found",
    );
    check(&root, &rules(&["**/*"]), Some("absent"), "# no matching base directory path found for absent");
    check(&root, &rules(&["**/*"]), Some("absent*"), "# no matching base directory path found for absent*");
    check(&root, &rules(&["**/*"]), Some("../src"), "# the base directory ../src leads out of the source");
    check(
        &root,
        &rules(&["../src/*", "/etc/passwd", "dist/*.html"]),
        None,
        "dist/index.html\n# `../src/*` leads out of the base directory and is left out
        # `/etc/passwd` leads out of the base directory and is left out",
    );
}

#[test]
fn a_link_that_leads_outside_is_never_followed() {
    let root = tree(&[
        "a",
        "dir/b",
        "in -> dir",
        "out -> ROOT",
        "passwd -> /etc/passwd",
        "up -> ../..",
        "loop/l -> .",
        "gone -> x",
    ]);
    fs::write(root.path().join("secret"), "secret").unwrap();
    let expected =
        "a\ndir/b\nin/b\n# `gone` leads nowhere and is left out\n# `loop/l` leads back to where it is and is left out
        # `out` leads out of the source and is left out\n# `passwd` leads out of the source and is left out
        # `up` leads out of the source and is left out";
    check(&root, &rules(&["**/*"]), None, expected);
    check(&root, &rules(&["**/*"]), Some("out"), "# the base directory out leads out of the source");
    check(&root, &rules(&["**/*"]), Some("o*"), "# no matching base directory path found for o*");
    check(&root, &rules(&["out/*"]), None, "# no matching artifact paths found");
    let mut linked = rules(&["**/*"]);
    linked.enable_symlinks = true;
    let expected = "a\ndir/b\nin -> dir\nloop/l -> .\n# `gone` leads out of the source and is left out
        # `out` leads out of the source and is left out\n# `passwd` leads out of the source and is left out
        # `up` leads out of the source and is left out";
    check(&root, &linked, None, expected);
}

#[test]
fn no_base_directory_leads_out_of_its_folder() {
    let root = tree(&["in/a", "dir/x -> ROOT/outside", "out -> ROOT/outside", "root -> /", "up -> ../.."]);
    fs::create_dir_all(root.path().join("outside/deep")).unwrap();
    fs::write(root.path().join("outside/deep/secret"), "secret").unwrap();
    fs::write(root.path().join("outside/secret"), "secret").unwrap();
    let links = ["out", "out/", "out/deep", "./out", "out/*", "out/d*", "root/etc", "up", "dir/x/deep", "dir/x/*"];
    let names = ["..", "in/../..", "../outside", "/etc", "/", "/*", "../*", "*/../../outside"];
    for base in links.into_iter().chain(names) {
        let expected = format!("# the base directory {base} leads out of the source");
        check(&root, &rules(&["**/*"]), Some(base), &expected);
    }
    for base in ["o*", "dir/*", "*/x", "*/deep", "nowhere"] {
        let expected = format!("# no matching base directory path found for {base}");
        check(&root, &rules(&["**/*"]), Some(base), &expected);
    }
    check(&root, &rules(&["out/deep", "in/*"]), None, "in/a\n# `out/deep` leads out of the source and is left out");
}

#[test]
fn a_link_is_kept_only_if_it_leads_to_a_place_in_the_artifact() {
    let root = tree(&["shared/s", "dist/a", "dist/lib -> ../shared", "dist/in/up -> ../a", "dist/same -> a"]);
    let mut linked = rules(&["**/*"]);
    linked.enable_symlinks = true;
    let expected = "a\nin/up -> ../a\nsame -> a
        # `lib` leads out of the artifact (to ../shared) and is left out";
    check(&root, &linked, Some("dist"), expected);
    linked.discard_paths = true;
    let expected = "a\nsame -> a\n# `in/up` leads out of the artifact (to ../a) and is left out
        # `lib` leads out of the artifact (to ../shared) and is left out";
    check(&root, &linked, Some("dist"), expected);
}

#[test]
fn a_link_in_the_place_of_the_whole_folder_is_no_folder() {
    let root = tree(&["dir/a"]);
    symlink(root.path(), root.path().join("link")).unwrap();
    for base in [Base::all(root.path().join("link")), Base::within(root.path().join("link"), "src", "src")] {
        assert!(matches!(collect(&rules(&["**/*"]), &base), Collected::Failed { .. }), "{base:?}");
    }
    // What is above the folder is the runner's own.
    let below = Base::within(root.path().join("link/src"), "dir", "dir");
    assert_eq!(selected(collect(&rules(&["**/*"]), &below)).members.len(), 1);
}

#[test]
fn a_pipe_is_left_out_and_said_so() {
    let root = tree(&["a"]);
    nix::unistd::mkfifo(&root.path().join("src/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    check(&root, &rules(&["*"]), None, "a\n# `pipe` is a pipe or a socket and is left out");
}

fn stored(selection: &Selection, destination: Destination) -> Bundle {
    store(selection, &destination, &Progress::silent(), &Cancel::new()).unwrap()
}

#[test]
fn a_zip_keeps_modes_links_and_empty_directories_and_is_the_same_each_time() {
    let root = tree(&["run.sh!", "b/c", "b/link -> c", "empty/"]);
    let mut linked = rules(&["**/*"]);
    linked.enable_symlinks = true;
    let selection = selected(collect_in(&root, &linked, None));
    let bundle = stored(&selection, Destination::Zip(root.path().join("out/a.zip")));
    assert_eq!((bundle.files, bundle.bytes), (3, 10));
    let again = stored(&selection, Destination::Zip(root.path().join("b.zip")));
    assert_eq!(bundle.sha256, again.sha256);
    assert_eq!(fs::read_dir(root.path().join("out")).unwrap().count(), 1, "only the zip is left");

    let mut zip = zip::ZipArchive::new(fs::File::open(&bundle.path).unwrap()).unwrap();
    let mut listing = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        listing.push(format!("{} {:o} {content}", file.name().unwrap(), file.unix_mode().unwrap()));
    }
    assert_eq!(listing, ["b/c 100640 b/c", "b/link 120777 c", "empty/ 40755 ", "run.sh 100755 run.sh!"]);
}

#[test]
fn a_folder_keeps_modes_and_times_and_its_hash_tells_of_any_change() {
    let root = tree(&["run.sh!", "b/c", "b/link -> c", "empty/"]);
    let mut linked = rules(&["**/*"]);
    linked.enable_symlinks = true;
    let into = root.path().join("out");
    fs::create_dir(&into).unwrap();
    symlink(root.path().join("src/b/c"), into.join("run.sh")).unwrap();
    let bundle = stored(&selected(collect_in(&root, &linked, None)), Destination::Folder(into.clone()));
    let metadata = fs::symlink_metadata(into.join("run.sh")).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.is_file()), (0o755, true));
    assert_eq!(metadata.modified().unwrap(), fs::metadata(root.path().join("src/run.sh")).unwrap().modified().unwrap());
    assert_eq!(fs::read_link(into.join("b/link")).unwrap(), Path::new("c"));
    assert!(into.join("empty").is_dir());
    assert_eq!(fs::read_to_string(root.path().join("src/b/c")).unwrap(), "b/c", "an old link was written through");

    fs::set_permissions(root.path().join("src/run.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    let changed = stored(&selected(collect_in(&root, &linked, None)), Destination::Folder(into));
    assert_ne!(bundle.sha256, changed.sha256);
}

#[test]
fn a_file_that_has_become_a_link_or_has_gone_is_a_fault_that_names_it() {
    let root = tree(&["a"]);
    let selection = selected(collect_in(&root, &rules(&["*"]), None));
    fs::remove_file(root.path().join("src/a")).unwrap();
    symlink("/etc/passwd", root.path().join("src/a")).unwrap();
    let zip = Destination::Zip(root.path().join("a.zip"));
    let fault = store(&selection, &zip, &Progress::silent(), &Cancel::new()).unwrap_err();
    assert!(fault.message.starts_with("the artifact's file a cannot be read"), "{fault}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "a partial zip is left");
}

#[test]
fn a_folder_that_has_become_a_link_is_not_read_through() {
    let root = tree(&["dir/a"]);
    let selection = selected(collect_in(&root, &rules(&["**/*"]), None));
    fs::create_dir(root.path().join("outside")).unwrap();
    fs::write(root.path().join("outside/a"), "secret").unwrap();
    fs::rename(root.path().join("src/dir"), root.path().join("src/moved")).unwrap();
    symlink(root.path().join("outside"), root.path().join("src/dir")).unwrap();
    let into = Destination::Folder(root.path().join("out"));
    let fault = store(&selection, &into, &Progress::silent(), &Cancel::new()).unwrap_err();
    assert!(fault.message.contains("it has become a link, or was replaced"), "{fault}");
    assert!(fs::read(root.path().join("out/dir/a")).is_ok_and(|copied| copied.is_empty()), "the secret was copied");
}

#[test]
fn storing_hears_of_a_stop() {
    let root = tree(&["a"]);
    let cancel = Cancel::new();
    cancel.request(Reason::Stopped);
    let selection = selected(collect_in(&root, &rules(&["*"]), None));
    let fault = store(&selection, &Destination::Folder(root.path().join("out")), &Progress::silent(), &cancel);
    assert_eq!(fault.unwrap_err().kind, crate::fault::FaultKind::Stopped);
}
