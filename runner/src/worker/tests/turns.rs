use jiff::SignedDuration;

use super::super::turn::{self, Waited};
use super::*;

/// What comes of one look of a job that is "mine", sent as the second.
async fn look(stand: &Stand, mode: Order) -> Waited {
    // A worker that takes nothing new waits for nothing.
    stand.worker.standing.set(Mode::Draining);
    let turn = message("mine", "2", mode, clock::now()).order.unwrap().turn.unwrap();
    turn::wait(&stand.worker, "mine", &turn, &mut None).await
}

#[tokio::test]
async fn a_run_that_was_begun_is_not_overtaken_when_nobody_holds_it() {
    for mode in [Order::Superseded, Order::Queued] {
        for sent in ["1", "3"] {
            let stand = Stand::open();
            let begun = with_turn(message("other", sent, mode, clock::now()));
            stand.enter(&begun, "them", clock::now() - SignedDuration::from_secs(1)).await;
            let waited = look(&stand, mode).await;
            let newer = sent == "3" && mode == Order::Superseded;
            assert!(if newer {
                matches!(waited, Waited::Superseded { .. })
            } else {
                matches!(waited, Waited::GivenUp)
            });
        }
    }
}

#[tokio::test]
async fn one_that_was_not_begun_and_that_nobody_holds_is_not_waited_for() {
    let stand = Stand::open();
    let gone = message("other", "1", Order::Queued, clock::now());
    stand.enter(&gone, "them", clock::now() - SignedDuration::from_secs(1)).await;
    assert!(matches!(look(&stand, Order::Queued).await, Waited::Come(_)));
}

#[tokio::test]
async fn a_job_that_waited_longer_than_its_message_can_be_held_is_left_to_others_at_a_drain() {
    let stand = Stand::open();
    let begun = with_turn(message("other", "1", Order::Queued, clock::now()));
    stand.enter(&begun, "them", clock::now() + SignedDuration::from_mins(1)).await;
    let mine = message("mine", "2", Order::Queued, clock::now() - SignedDuration::from_hours(12));
    let life = stand.life(mine).await;
    let worker = Arc::clone(&stand.worker);
    let lived = tokio::spawn(async move { life.live(&worker).await });
    eventually("the message is given up", async || !stand.calls("let go").is_empty()).await;
    let sight = stand.worker.standing.sight();
    assert_eq!((sight.jobs.len(), sight.jobs[0].waits, sight.seats_taken), (1, true, 0));
    stand.worker.standing.set(Mode::Draining);
    lived.await.unwrap();
    let left = stand.known("mine").await.expect("the ledger carries it");
    let job = Job::parse("mine", &left.body).unwrap();
    assert!(job.ticket.is_spent() && matches!(job.step, Step::Accepted { parked: true, .. }), "{job:?}");
    assert!(left.until <= clock::now(), "anybody may take it");
    assert_eq!(stand.calls("let go"), ["let go mine receipt-1 ForGood"]);
}

#[tokio::test]
async fn a_turn_that_outlived_its_job_is_forgotten_and_one_that_is_still_needed_is_not() {
    let stand = Stand::open();
    let gone = clock::now() - SignedDuration::from_secs(1);
    stand
        .enter(
            &with_turn(message("open", "1", Order::Queued, gone)),
            "them",
            clock::now() + SignedDuration::from_mins(1),
        )
        .await;
    for (group, job) in [("a", "open"), ("b", "over")] {
        let holder = Holder { owner: format!("them/{job}"), now: gone, until: gone };
        stand.ledger.take(&format!("turn:{group}"), &holder, "").await.unwrap();
    }
    stand.worker.take_over().await.unwrap();
    assert!(stand.known("turn:a").await.is_some() && stand.known("turn:b").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_read_the_ledger_together_until_something_changes() {
    let stand = Stand::open();
    let first = stand.worker.waiting_jobs().await.unwrap();
    assert!(Arc::ptr_eq(&first, &stand.worker.waiting_jobs().await.unwrap()));
    stand.enter(&message("other", "1", Order::Queued, clock::now()), "them", clock::now()).await;
    stand.worker.wake_turns().await;
    assert_eq!(stand.worker.waiting_jobs().await.unwrap().len(), 1);
}
