//! Builds: phase order, failures, time-outs, stops, secrets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runner::cancel::Reason;
use runner::engine::memory::{MemoryEngine, Outcome as Does};
use runner::event::Outcome;

use super::world::{SECRET, World};

const TWO_PHASES: &str = "
version: 0.2
phases:
  build:
    commands: [make, make install]
    finally: [make clean]
  post_build:
    commands: [report]
";

fn steps(make: Does) -> Vec<(&'static str, Does)> {
    vec![
        ("make", make),
        ("make install", Does::default()),
        ("make clean", Does::printing("cleaned\n")),
        ("report", Does::printing("reported\n")),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_phase_still_runs_finally_and_post_build() {
    let went = World::new(TWO_PHASES, &steps(Does::failing(2))).run().await;
    let expected = "\
Source .
Source at 0123456789abcdef0123456789abcdef01234567
Stage Build started
Action build started
  DOWNLOAD_SOURCE 1
  DOWNLOAD_SOURCE SUCCEEDED
  PROVISIONING 1
  PROVISIONING SUCCEEDED
  INSTALL 1
  INSTALL SUCCEEDED
  PRE_BUILD 1
  PRE_BUILD SUCCEEDED
  BUILD 1
    $ make
    = 2
    $ make clean
    cleaned
  BUILD FAILED
  POST_BUILD 1
    $ report
    reported
  POST_BUILD SUCCEEDED
Action build FAILED: Error while executing command: make. Reason: exit status 2
Stage Build FAILED: build: Error while executing command: make. Reason: exit status 2
Run FAILED
";
    assert_eq!(went.transcript(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_failed_pre_build_ends_the_build() {
    let spec = "
version: 0.2
phases:
  pre_build: { commands: [login] }
  build: { commands: [make] }
artifacts: { files: ['**/*'] }
";
    let went = World::new(spec, &[("login", Does::failing(1)), ("make", Does::default())]).run().await;
    assert!(went.has("  PRE_BUILD FAILED"));
    assert!(!went.transcript().contains("make\n") && !went.transcript().contains("UPLOAD_ARTIFACTS"));
}

#[tokio::test(start_paused = true)]
async fn a_phase_is_retried_and_its_success_counts() {
    let spec = "
version: 0.2
phases:
  build: { on-failure: RETRY-2, commands: [flaky] }
";
    let mut world = World::new(spec, &[]);
    world.engine = Arc::new(MemoryEngine::new().on("flaky", [Does::failing(1), Does::default()]));
    let went = world.run().await;
    assert!(went.has("  BUILD 2"), "{}", went.transcript());
    assert_eq!(went.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_hung_build_times_out_after_an_hour_and_runs_its_finally() {
    let went = World::new(TWO_PHASES, &steps(Does::hanging())).run().await;
    assert_eq!(went.outcome.word(), "TIMED_OUT");
    assert!(went.has("    cleaned") && !went.has("    reported"), "{}", went.transcript());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ignores_sigterm_is_killed_and_finally_still_runs() {
    let world = World::new(TWO_PHASES, &steps(Does::hanging().ignoring_terminate()));
    world.stop_after(Duration::from_secs(30), Reason::Stopped);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "STOPPED");
    assert!(went.has("    = 137") && went.has("    cleaned"), "{}", went.transcript());
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_leaves_nothing_to_finally() {
    let world = World::new(TWO_PHASES, &steps(Does::hanging().ignoring_terminate()));
    world.stop_after(Duration::from_secs(30), Reason::Stopped);
    world.stop_after(Duration::from_secs(31), Reason::Killed);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "STOPPED");
    assert!(!went.has("    cleaned"), "{}", went.transcript());
}

#[tokio::test(start_paused = true)]
async fn a_finally_that_hangs_has_a_budget() {
    let mut steps = steps(Does::hanging());
    steps[2].1 = Does::hanging();
    let world = World::new(TWO_PHASES, &steps);
    world.stop_after(Duration::from_secs(30), Reason::Stopped);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "STOPPED");
}

#[tokio::test(start_paused = true)]
async fn a_build_that_uses_too_much_memory_fails_and_one_that_dies_is_our_fault() {
    let spec = "{ version: 0.2, phases: { build: { commands: [eat] } } }";
    let eaten = World::new(spec, &[("eat", Does::dying(137, true))]).run().await;
    assert_eq!(eaten.outcome.word(), "FAILED");
    let died = World::new(spec, &[("eat", Does::dying(1, false))]).run().await;
    assert_eq!(died.outcome.word(), "FAULT");
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_masked_wherever_it_is_printed_and_never_plain_environment() {
    let spec = "
version: 0.2
env:
  parameter-store: { TOKEN: /demo/token }
  exported-variables: [TOKEN]
phases: { build: { commands: [show] } }
";
    let show = Does::printing(format!("token={SECRET}\n")).setting("TOKEN", SECRET);
    let world = World::new(spec, &[("show", show)]);
    let went = world.run().await;
    assert!(went.has("    token=***") && went.log.contains("token=***"), "{}", went.transcript());
    let spec = &world.engine.started()[0];
    assert!(spec.environment.iter().all(|(_, value)| !value.contains(SECRET)));
    assert_eq!(went.state.actions[0].variables["TOKEN"], "***");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_does_not_exist_fails_before_any_command() {
    let spec = "
version: 0.2
env: { parameter-store: { TOKEN: /demo/absent } }
phases: { build: { commands: [show] } }
";
    let went = World::new(spec, &[("show", Does::default())]).run().await;
    assert_eq!(went.outcome.word(), "FAULT");
    assert!(went.outcome.message().contains("/demo/absent"), "{}", went.outcome.message());
    assert!(!went.transcript().contains("show"));
}

#[tokio::test(start_paused = true)]
async fn a_warning_of_the_spec_is_in_the_log_of_its_action() {
    let mut world = World::new(TWO_PHASES, &steps(Does::default()));
    world.options.warnings = [("build".to_owned(), vec!["spec.yml:3: odd".to_owned()])].into();
    let went = world.run().await;
    assert!(went.log.contains(" Warning: spec.yml:3: odd\n"), "{}", went.log);
    assert_eq!(went.state.notices, ["spec.yml:3: odd"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_comes_to_is_told_without_the_secret_that_its_image_printed() {
    let spec = "
version: 1
name: web
source: { path: . }
stages:
  - name: Build
    actions:
      - name: image
        image: { context: ., repository: web, tags: [a], secrets: { t: { parameter-store: /demo/token } } }
";
    let mut world = World::new(spec, &[]);
    world.fail_images(&format!("exit code 22, after:\n+ curl -H 'Authorization: {SECRET}'"));
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "FAILED");
    assert!(went.outcome.message().contains("Authorization: ***"), "{}", went.outcome.message());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_holds_up_no_harder_stop() {
    let mut world = World::new(TWO_PHASES, &[]);
    world.engine = Arc::new(MemoryEngine::new().otherwise(Does::hanging()).without_stops());
    world.stop_after(Duration::from_secs(30), Reason::Stopped);
    world.stop_after(Duration::from_secs(31), Reason::Killed);
    let went = tokio::time::timeout(Duration::from_secs(300), world.run()).await.expect("an end");
    assert_eq!(went.outcome.word(), "FAULT");
    assert!(went.outcome.message().contains("cannot be stopped"), "{}", went.outcome.message());
}

/// The names of the files in a folder and below it, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match path.is_dir() {
            true => names.extend(self::names(&path).into_iter().map(|inner| format!("{name}/{inner}"))),
            false => names.push(name),
        }
    }
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn files_in_cached_directories_are_artifacts_and_reports_like_others() {
    let spec = "
version: 0.2
phases: { build: { commands: [make] } }
cache: { paths: [target/**/*, /root/.m2/**/*] }
reports: { tests: { base-directory: target/reports, files: ['*.xml'] } }
artifacts:
  files: ['**/*']
  secondary-artifacts:
    jar: { files: [target/*.jar] }
    based: { base-directory: target, files: ['**/*'] }
    globbed: { base-directory: 'tar*', files: ['*.jar'] }
    home: { base-directory: /root/.m2/repository, files: ['*'] }
";
    let file = |name: &str| format!("$CODEBUILD_SRC_DIR/target/{name}");
    let report = r#"<testsuite><testcase name="a"/></testsuite>"#;
    let make = Does::default().writing(&file("app.jar"), "jar").writing(&file("reports/a.xml"), report);
    let world = World::new(spec, &[("make", make.writing("/root/.m2/repository/lib", "lib"))]);
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    let artifacts = &went.state.actions[0].artifacts;
    let kept = |identifier: &str| names(Path::new(&artifacts[identifier].path));
    assert_eq!(kept(""), ["file", "target/app.jar", "target/reports/a.xml"]);
    assert_eq!(kept("jar"), ["target/app.jar"]);
    assert_eq!(kept("based"), ["app.jar", "reports/a.xml"]);
    assert_eq!(kept("globbed"), ["app.jar"]);
    assert_eq!(kept("home"), ["lib"]);
    assert_eq!(went.state.actions[0].reports[0].total, 1);
}

#[tokio::test(start_paused = true)]
async fn artifacts_that_cannot_be_stored_end_their_phase() {
    let spec = "{ version: 0.2, phases: { build: { commands: [make] } }, artifacts: { files: [file] } }";
    let world = World::new(spec, &[("make", Does::default())]);
    let own = world.folders().run("one");
    own.create().expect("its folder");
    let place = own.artifacts("build");
    std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
    std::fs::write(&place, "in the way").expect("a file");
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "FAULT");
    assert!(went.has("  UPLOAD_ARTIFACTS FAULT"), "{}", went.transcript());
}
