//! A real process that sends, and real kills.

use std::process::{Child, Command, Stdio};

use super::*;

/// The example `ship`, killed when dropped.
struct Killed(Child);

impl Killed {
    fn start(world: &RealWorld, desk: &Desk) -> Self {
        let own = std::env::current_exe().unwrap();
        let found = own.ancestors().map(|folder| folder.join("examples/ship")).find(|path| path.is_file());
        let ship = found.unwrap_or_else(|| panic!("no example `ship`: cargo build --workspace --examples"));
        let mut command = Command::new(ship);
        command.args([&world.emulator.endpoint(), REGION, ACCOUNT]).arg(desk.folder.path().join("shipments"));
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Killed {
    /// With SIGKILL, at whatever moment this is.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The number in a line.
fn number(text: &str) -> u32 {
    text.trim_start_matches("line ").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_loses_nothing_and_repeats_a_batch_at_most() {
    const KILLS: usize = 8;
    let (world, desk) = (RealWorld::start().await, Desk::new());
    // This one only opens and ends; others send.
    let shipping = Shipping::new(desk.config(), world.service(), world.archive());
    shipping.open(&desk.shipment()).unwrap();
    let (mut written, mut sent) = (0, 0);
    for _ in 0..KILLS {
        let ship = Killed::start(&world, &desk);
        // It is killed somewhere in the middle of sending what is written now.
        let target = sent + 1 + fastrand::usize(..2000);
        while sent < target {
            let lines: String = (written..written + 50).map(|number| format!("line {number}\n")).collect();
            desk.write(&lines);
            written += 50;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
            sent = world.texts(&stream()).await.unwrap_or_default().len();
        }
        drop(ship);
    }
    shipping.end("run", "test").unwrap();
    let _last = Killed::start(&world, &desk);
    assert!(shipping.flush("run", MINUTE).await, "{:?}", shipping.pending());
    let (mut next, mut repeats) = (0, 0);
    for text in world.texts(&stream()).await.unwrap() {
        let number = number(&text);
        assert!(number <= next, "{next} is lost: {number} follows");
        repeats += usize::from(number < next);
        next = number + 1;
    }
    assert_eq!(next, written, "the end is lost");
    assert!(repeats <= KILLS, "{repeats} batches came twice after {KILLS} kills");
    assert_eq!(world.archived(&place()).await, desk.log());
}
