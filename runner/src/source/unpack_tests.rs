use std::io::Write as _;

use zip::write::SimpleFileOptions;

use super::*;

/// Unpacks what `fill` puts in a zip; the folder, or the fault's message.
fn unzipped(fill: impl FnOnce(&mut zip::ZipWriter<File>)) -> (tempfile::TempDir, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle");
    let mut zip = zip::ZipWriter::new(File::create(&file).unwrap());
    fill(&mut zip);
    zip.finish().unwrap();
    let result = unpacked(&file, "key", folder.path());
    (folder, result)
}

fn unpacked(file: &Path, name: &str, folder: &Path) -> Result<(), String> {
    let format = Format::of(file, name).unwrap().unwrap();
    unpack(format, file, &folder.join("out"), &Cancel::new()).map_err(|fault| fault.message)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn modes_links_and_empty_folders_come_back_and_set_uid_does_not() {
    let (folder, result) = unzipped(|zip| {
        let options = SimpleFileOptions::default();
        zip.start_file("bin/tool", options.unix_permissions(0o4755)).unwrap();
        zip.write_all(b"#!/bin/sh\n").unwrap();
        zip.start_file("read-only", options.unix_permissions(0o444)).unwrap();
        zip.add_directory("empty", options.unix_permissions(0o750)).unwrap();
        zip.add_symlink("bin/link", "../read-only", options).unwrap();
    });
    assert_eq!(result, Ok(()));
    let out = folder.path().join("out");
    assert_eq!(mode(&out.join("bin/tool")), 0o755);
    assert_eq!(mode(&out.join("read-only")), 0o444);
    assert_eq!(mode(&out.join("empty")), 0o750);
    assert_eq!(fs::read_link(out.join("bin/link")).unwrap(), Path::new("../read-only"));
}

#[test]
fn no_member_leaves_the_folder() {
    let options = SimpleFileOptions::default();
    type Fill = fn(&mut zip::ZipWriter<File>, SimpleFileOptions);
    let cases: [(&str, Fill); 5] = [
        ("member ../evil leads out of the bundle", |zip, o| zip.start_file("../evil", o).unwrap()),
        ("member a/../../evil leads out of the bundle", |zip, o| zip.start_file("a/../../evil", o).unwrap()),
        ("member /etc/evil leads out of the bundle", |zip, o| zip.start_file("/etc/evil", o).unwrap()),
        ("member a/link leads out of the bundle", |zip, o| zip.add_symlink("a/link", "../../evil", o).unwrap()),
        ("member link leads out of the bundle", |zip, o| zip.add_symlink("link", "/etc", o).unwrap()),
    ];
    for (message, fill) in cases {
        let (_folder, result) = unzipped(|zip| fill(zip, options));
        assert_eq!(result, Err(message.to_owned()));
    }
}

/// Links that lead out only together: `deep/dir/x` is the root, and what is behind it is the root's parent.
const CHAIN: [(&str, &str); 3] = [("deep/dir/x", "../.."), ("y", "deep/dir/x/.."), ("y/z", "planted")];

/// Links of which one is to be made through another.
const THROUGH: [(&str, &str); 2] = [("y", "."), ("y/z", "planted")];

#[test]
fn links_do_not_lead_out_one_through_another() {
    for (links, refused) in [(CHAIN.as_slice(), "y"), (THROUGH.as_slice(), "y/z")] {
        let (folder, result) = unzipped(|zip| {
            for (name, target) in links {
                zip.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap();
            }
        });
        let message = format!("member {refused} leads out of the bundle");
        assert_eq!(result, Err(message.clone()));
        assert!(folder.path().join("z").symlink_metadata().is_err());

        let mut tar = tar::Builder::new(File::create(folder.path().join("bundle")).unwrap());
        for (name, target) in links {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, target).unwrap();
        }
        tar.into_inner().unwrap();
        fs::remove_dir_all(folder.path().join("out")).ok();
        fs::write(folder.path().join("z"), "kept").unwrap();
        assert_eq!(unpacked(&folder.path().join("bundle"), "key", folder.path()), Err(message));
        assert_eq!(fs::read(folder.path().join("z")).unwrap(), b"kept");
    }
}

#[test]
fn a_file_is_not_written_through_a_link_that_came_before_it() {
    let (folder, result) = unzipped(|zip| {
        let options = SimpleFileOptions::default();
        zip.add_directory("real", options).unwrap();
        zip.add_symlink("link", "real", options).unwrap();
        zip.start_file("link/inside", options).unwrap();
    });
    // The folder that the file needs is there when the link would be made.
    assert!(result.is_err());
    assert!(!folder.path().join("out/real/inside").exists());
}

#[test]
fn a_tar_with_and_without_gzip_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o755);
    tar.append_data(&mut header, "dir/run.sh", &b"hi"[..]).unwrap();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "same.sh", "dir/run.sh").unwrap();
    let bytes = tar.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    for (name, bytes) in [("a.tar", bytes), ("a.tgz", gzip.finish().unwrap())] {
        let out = folder.path().join(name);
        fs::create_dir(&out).unwrap();
        fs::write(out.join("bundle"), bytes).unwrap();
        assert_eq!(unpacked(&out.join("bundle"), name, &out), Ok(()));
        assert_eq!(fs::read(out.join("out/dir/run.sh")).unwrap(), b"hi");
        assert_eq!(fs::read(out.join("out/same.sh")).unwrap(), b"hi");
        assert_eq!(mode(&out.join("out/dir/run.sh")), 0o755);
    }
}

#[test]
fn half_a_zip_is_the_revisions_fault() {
    let (folder, _) = unzipped(|zip| {
        zip.start_file("a", SimpleFileOptions::default()).unwrap();
        zip.write_all(&[7; 5000]).unwrap();
    });
    let file = folder.path().join("bundle");
    File::options().write(true).open(&file).unwrap().set_len(40).unwrap();
    let message = unpacked(&file, "key", folder.path()).unwrap_err();
    assert!(message.starts_with("the bundle is damaged: "), "{message}");
}
