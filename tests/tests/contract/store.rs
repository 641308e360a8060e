//! Contract suite: store. What a fleet counts in its table.

use runner::store::BuildNumbers;
use sluice_tests::aws::AwsEmulator;
use sluice_tests::table::table;

#[tokio::test]
async fn a_fleet_gives_each_build_number_once() {
    let emulator = AwsEmulator::start().await;
    let numbers = BuildNumbers::new(table(&emulator).await);
    let mut given = Vec::new();
    for round in 1..=4 {
        // Three machines that are new, each with a count of its own.
        let next = || numbers.next("billing", round);
        let (one, two, three) = tokio::join!(next(), next(), next());
        given.extend([one.unwrap(), two.unwrap(), three.unwrap()]);
    }
    given.sort_unstable();
    assert_eq!(given, (1..=12).collect::<Vec<u64>>());
    assert_eq!(numbers.next("web", 1).await.unwrap(), 1, "each project has a count of its own");
}

#[tokio::test]
async fn a_machine_that_joins_a_fleet_does_not_give_its_own_numbers_again() {
    let emulator = AwsEmulator::start().await;
    let numbers = BuildNumbers::new(table(&emulator).await);
    assert_eq!(numbers.next("billing", 7).await.unwrap(), 7, "the fleet goes on where its first machine was");
    assert_eq!(numbers.next("billing", 1).await.unwrap(), 8);
    assert_eq!(numbers.next("billing", 41).await.unwrap(), 41);
    assert_eq!(numbers.next("billing", 2).await.unwrap(), 42);
}
