//! A repository behind a real SSH server, through the binary: keys and known hosts are found under the user's home.

use std::process::Command;

use sluice_tests::binary::{output_of, sluice};
use sluice_tests::images;
use sluice_tests::ssh_server::SshServer;

use super::*;

#[tokio::test]
async fn a_repository_behind_ssh_is_fetched_with_the_users_key_from_a_host_that_is_known() {
    let Some(server) = SshServer::start().await else {
        eprintln!("left out: there is no SSH server on this machine (Debian: openssh-server)");
        return;
    };
    let image = images::busybox().await;
    let place = Place::new();
    let (bare, home) = (place.path("app.git"), place.path("home"));
    git(&place.path(""), &["init", "-q", "--bare", "-b", "main", &bare.display().to_string()]);
    let work = WorkTree::of(&bare);
    work.write("buildspec.yml", "{ version: 0.2, phases: { build: { commands: [echo over ssh] } } }").commit("First");
    work.push();
    fs::create_dir_all(home.join(".ssh")).unwrap();
    let run = || {
        let mut command = Command::new(sluice());
        command.args(["run", "--source", &server.url(&bare), "--image", image]);
        let state = place.path("state");
        output_of(command.env("HOME", &home).env("SLUICE_STATE_DIR", state).env_remove("SSH_AUTH_SOCK"))
    };

    let (printed, status) = run();
    assert_eq!(status, 3, "{printed}");
    assert!(printed.contains("known_hosts after checking its fingerprint"), "{printed}");

    fs::write(home.join(".ssh/known_hosts"), server.known_host()).unwrap();
    let (printed, status) = run();
    assert_eq!(status, 3, "{printed}");
    assert!(printed.contains("access refused") && printed.contains("SSH agent"), "{printed}");

    fs::copy(server.key(), home.join(".ssh/id_ed25519")).unwrap();
    let (printed, status) = run();
    assert_eq!(status, 0, "{printed}");
    assert!(printed.lines().any(|line| line == "over ssh"), "{printed}");
}
