//! Images for tests, made on this machine: nothing is pulled.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::OnceCell;

/// busybox as every command, with the users `root` and `builder` (1000).
pub const BUSYBOX: &str = "sluice-test/busybox:1";

/// Where Debian's package `busybox-static` puts it.
const BINARY: &str = "/bin/busybox";

/// Makes [`BUSYBOX`], once a process.
///
/// # Panics
/// When there is no engine or no busybox.
pub async fn busybox() -> &'static str {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        import(BUSYBOX, root_file_system(), "").await;
    })
    .await;
    BUSYBOX
}

/// Makes an image of a tar archive, with a change as in a Dockerfile (`EXPOSE 80`), or none.
///
/// # Panics
/// When the engine refuses.
pub async fn import(name: &str, archive: Vec<u8>, change: &str) {
    let docker = engine();
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(tag);
    let options = if change.is_empty() { options } else { options.changes(vec![change.to_owned()]) }.build();
    let body = bollard::body_full(Bytes::from(archive));
    let mut told = docker.create_image(Some(options), Some(body), None);
    while let Some(info) = told.next().await {
        info.unwrap_or_else(|error| panic!("importing {name}: {error}"));
    }
}

/// Makes an image of [`BUSYBOX`] and the steps of a Dockerfile, and gives its name back.
///
/// # Panics
/// When the engine refuses.
pub async fn built<'a>(name: &'a str, steps: &str) -> &'a str {
    let mut command = Command::new("docker");
    command.args(["build", "--quiet", "--tag", name, "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("docker: {error}"));
    let text = format!("FROM {}\n{steps}\n", busybox().await);
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
    assert!(matches!(written, Some(Ok(()))), "docker build takes no Dockerfile for {name}");
    let status = child.wait().unwrap_or_else(|error| panic!("docker: {error}"));
    assert!(status.success(), "docker build of {name}: {status}");
    name
}

/// A client of the engine that tests use.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn engine() -> Docker {
    Docker::connect_with_unix_defaults().unwrap_or_else(|error| panic!("no Docker engine: {error}"))
}

/// A tar archive of busybox under all its names.
///
/// # Panics
/// When the package is not installed.
#[must_use]
pub fn root_file_system() -> Vec<u8> {
    let binary = std::fs::read(BINARY).unwrap_or_else(|error| panic!("{BINARY}: {error}; install busybox-static"));
    let list = Command::new(BINARY).arg("--list").output().unwrap_or_else(|error| panic!("{BINARY}: {error}"));
    let mut archive = tar::Builder::new(Vec::new());
    let files = HashMap::from([
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\n"),
        ("etc/group", "root:x:0:\nbuilder:x:1000:\n"),
    ]);
    for (path, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700), ("home/builder", 0o755)] {
        add(&mut archive, tar::EntryType::Directory, path, &[], mode);
    }
    add(&mut archive, tar::EntryType::Regular, "bin/busybox", &binary, 0o755);
    for (path, text) in files {
        add(&mut archive, tar::EntryType::Regular, path, text.as_bytes(), 0o644);
    }
    for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        archive
            .append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap_or_else(|error| panic!("bin/{name}: {error}"));
    }
    archive.into_inner().unwrap_or_else(|error| panic!("the archive: {error}"))
}

fn add(archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, content: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, path, content).unwrap_or_else(|error| panic!("{path}: {error}"));
}
