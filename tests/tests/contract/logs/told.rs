//! What is said to a sender, and what it makes of trouble, with the fake and paused time.

use runner::logs::Unsent;

use super::*;

/// With the usual times.
fn usual(desk: &Desk, world: &MemoryLogs) -> Sending {
    desk.start_with(ShippingConfig::at(desk.folder.path().join("shipments")), world)
}

fn texts(world: &MemoryLogs) -> Vec<String> {
    world.events(&stream()).unwrap_or_default().into_iter().map(|event| event.text).collect()
}

async fn finish(sending: &Sending) {
    sending.shipping.end("run", "test").unwrap();
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!(sending.shipping.pending(), []);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_end_is_sent_after_five_seconds_and_goes_on() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("whole\nworking...");
    let began = tokio::time::Instant::now();
    until(|| !texts(&world).is_empty()).await;
    assert_eq!(texts(&world), ["whole"]);
    until(|| texts(&world).len() == 2).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    // What ends the line is no line of its own; what goes on in it is.
    desk.write("\nnext\nmore...");
    until(|| texts(&world).len() == 4).await;
    desk.write(" and more\n");
    finish(&sending).await;
    assert_eq!(texts(&world), ["whole", "working...", "next", "more...", " and more"]);
}

#[tokio::test(start_paused = true)]
async fn only_a_batch_whose_answer_was_lost_is_sent_twice() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("zero\n");
    until(|| texts(&world).len() == 1).await;
    world.next(&[Trouble::Refused, Trouble::AnswerLost]);
    desk.write("one\ntwo\n");
    until(|| texts(&world).len() == 5).await;
    desk.write("three\n");
    finish(&sending).await;
    assert_eq!(texts(&world), ["zero", "one", "two", "one", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_never_taken_is_left_out_and_holds_up_nothing() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    world.refuse("two");
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("zero\none\ntwo\nthree\nfour\n");
    finish(&sending).await;
    assert_eq!(texts(&world), ["zero", "one", "three", "four"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_holds_up_nobody_but_itself() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    world.lasting(Some(Trouble::Silent));
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("one\n");
    sending.shipping.end("run", "test").unwrap();
    let began = tokio::time::Instant::now();
    let limit = Duration::from_secs(7);
    assert!(!sending.shipping.flush("run", limit).await);
    assert!(began.elapsed() < limit * 2, "{:?}", began.elapsed());
    let pending = sending.shipping.pending();
    assert!(matches!(&pending[..], [Unsent { over: true, bytes: 4, .. }]), "{pending:?}");
    // The next process finds it.
    sending.die();
    world.lasting(None);
    let next = usual(&desk, &world);
    until(|| next.shipping.pending().is_empty()).await;
    assert_eq!(texts(&world), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn all_shipments_together_make_so_many_calls_at_one_time_and_no_more() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    world.lasting(Some(Trouble::Silent));
    desk.write("one\n");
    for number in 0..20 {
        let shipment = Shipment { action: format!("test-{number}"), ..desk.shipment() };
        sending.shipping.open(&shipment).unwrap();
    }
    until(|| world.unanswered() > 0).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.unanswered(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_written_again_as_it_was_goes_on_where_it_stopped() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let first = usual(&desk, &world);
    first.shipping.open(&desk.shipment()).unwrap();
    desk.write("head\none\ntwo\n");
    until(|| texts(&world).len() == 3).await;
    first.die();
    // The build is adopted: its log is cut off, and grows again.
    let second = usual(&desk, &world);
    std::fs::write(desk.file(), "head\n").unwrap();
    second.shipping.rewritten("run", "test");
    second.shipping.open(&desk.shipment()).unwrap();
    until(|| second.shipping.pending().len() == 1).await;
    desk.write("one\n");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(texts(&world).len(), 3);
    desk.write("two\nthree\n");
    finish(&second).await;
    assert_eq!(texts(&world), ["head", "one", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_not_what_it_was_is_repeated_and_says_so() {
    for (written, grown) in [("other head\none\n", "two\n"), ("x\n", "")] {
        let (desk, world) = (Desk::new(), MemoryLogs::new());
        let sending = usual(&desk, &world);
        sending.shipping.open(&desk.shipment()).unwrap();
        desk.write("head\none\n");
        until(|| texts(&world).len() == 2).await;
        std::fs::write(desk.file(), written).unwrap();
        sending.shipping.rewritten("run", "test");
        desk.write(grown);
        finish(&sending).await;
        let (told, log) = (texts(&world), desk.log());
        assert_eq!(told[..2], ["head", "one"]);
        assert!(told[2].starts_with("[Sluice] The log was written anew"), "{told:?}");
        assert_eq!(told[3..], log.lines().collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_somebody_deletes_is_made_anew() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("one\n");
    until(|| texts(&world).len() == 1).await;
    world.delete(&stream());
    desk.write("two\n");
    finish(&sending).await;
    assert_eq!(texts(&world), ["two"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_removed_ends_its_shipment() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("one\n");
    until(|| texts(&world).len() == 1).await;
    std::fs::remove_file(desk.file()).unwrap();
    finish(&sending).await;
    assert_eq!(texts(&world), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn one_process_sends_and_takes_care_of_what_the_other_opens() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let (first, second) = (usual(&desk, &world), usual(&desk, &world));
    // Both have a look before anything is opened.
    tokio::time::sleep(Duration::from_secs(2)).await;
    desk.write("one\n");
    for shipping in [&first.shipping, &second.shipping] {
        shipping.open(&desk.shipment()).unwrap();
    }
    until(|| texts(&world).len() == 1).await;
    second.shipping.end("run", "test").unwrap();
    until(|| first.shipping.pending().is_empty() && second.shipping.pending().is_empty()).await;
    assert_eq!(texts(&world), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_gigantic_backlog_is_sent_in_full_batches() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let log: String = (0..40_000).map(|number| format!("{number:>9} {}\n", "x".repeat(90))).collect();
    desk.write(&log);
    desk.write(&"y".repeat(2_500_000));
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    finish(&sending).await;
    let sent = texts(&world);
    assert_eq!(sent.len(), 40_003);
    assert!(sent[..40_000].iter().map(|line| format!("{line}\n")).collect::<String>() == log);
    assert_eq!(sent[40_000..].concat(), "y".repeat(2_500_000));
    assert!(world.batches().len() < 10, "{:?}", world.batches());
    assert_eq!(MemoryLogs::archived(&world, &place()).unwrap().len(), desk.log().len());
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_run_that_another_machine_has_is_sent_as_far_as_it_goes_and_replaces_no_archive() {
    let (desk, world) = (Desk::new(), MemoryLogs::new());
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("half\n");
    sending.shipping.forsake("run").unwrap();
    // The stop of what was lost ends the action here.
    sending.shipping.end("run", "test").unwrap();
    assert!(sending.shipping.flush("run", MINUTE).await);
    assert_eq!((texts(&world), MemoryLogs::archived(&world, &place()).is_err()), (vec!["half".to_owned()], true));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_service_that_refuses_and_its_logs_are_given_up_in_the_end() {
    let (desk, world, day) = (Desk::new(), MemoryLogs::new(), Duration::from_secs(24 * 3600));
    world.lasting(Some(Trouble::Denied));
    let sending = usual(&desk, &world);
    sending.shipping.open(&desk.shipment()).unwrap();
    desk.write("one\n");
    until(|| sending.shipping.pending().iter().any(|unsent| unsent.fault.is_some())).await;
    sending.shipping.end("run", "test").unwrap();
    let began = tokio::time::Instant::now();
    assert!(!sending.shipping.flush("run", MINUTE).await);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(sending.shipping.give_up(day), 0, "it was written just now");
    let file = std::fs::File::options().append(true).open(desk.file()).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(sending.shipping.give_up(day), 1);
    until(|| sending.shipping.pending().is_empty()).await;
    assert!(desk.file().exists() && texts(&world).is_empty());
}
