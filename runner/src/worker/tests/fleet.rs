//! What the ledger decides, and not the queue; and what is left to whom.

use super::super::accept;
use super::*;

impl Stand {
    /// What the ledger says of a job that is open.
    async fn job(&self, id: &str) -> Job {
        let entry = self.known(id).await.unwrap_or_else(|| panic!("{id} is not open"));
        Job::parse(id, &entry.body).unwrap()
    }

    /// Another worker of the same ledger, and its queue.
    fn beside(&self) -> (Arc<Worker>, Arc<Script>) {
        let queue = Arc::new(Script::default());
        let config = WorkerConfig { owner: "them".to_owned(), ..self.worker.config.clone() };
        let (ledger, bench) = (Arc::clone(&self.ledger), Arc::clone(&self.bench));
        (Worker::new(config, Arc::clone(&queue) as _, ledger as _, bench as _, Cancel::new()), queue)
    }

    fn lives(&self, life: Life) -> tokio::task::JoinHandle<()> {
        let worker = Arc::clone(&self.worker);
        tokio::spawn(async move { life.live(&worker).await })
    }
}

#[tokio::test]
async fn a_queue_that_does_not_answer_costs_no_lease() {
    let stand = Stand::open();
    stand.queue.silent.store(true, Ordering::Relaxed);
    let lived = stand.lives(stand.life(job("mine", accepted("mine"))).await);
    eventually("the queue is asked", async || !stand.calls("heartbeat").is_empty()).await;
    let asked = stand.known("mine").await.unwrap().until;
    eventually("the lease is renewed", async || stand.known("mine").await.unwrap().until > asked).await;
    stand.bench.ends.send_replace(true);
    lived.await.unwrap();
    assert_eq!(stand.calls("report"), ["report mine done"]);
}

#[tokio::test]
async fn in_a_fleet_a_run_goes_on_whose_message_was_handed_out_again_and_the_message_is_removed() {
    let stand = Stand::of_fleet();
    stand.queue.wanted.lock().unwrap().extend([Ok(Wanted::Elsewhere), Ok(Wanted::Elsewhere)]);
    let lived = stand.lives(stand.life(message("mine", "1", Order::Queued, clock::now())).await);
    eventually("the ledger alone carries the job", async || stand.job("mine").await.ticket.is_spent()).await;
    let (them, their_queue) = stand.beside();
    let ticket = Ticket { receipt: "receipt-2".to_owned(), ..message("mine", "1", Order::Queued, clock::now()).ticket };
    let active = them.begin("mine").unwrap();
    let offer = Offer { ticket, order: Ok(order("mine", None)) };
    assert!(accept::entered(&them, offer, active).await.is_none());
    assert_eq!(*their_queue.calls.lock().unwrap(), ["let go mine receipt-2 ForGood"]);
    stand.bench.ends.send_replace(true);
    lived.await.unwrap();
    assert_eq!((stand.calls("report").len(), *stand.bench.begun.borrow()), (1, 1));
}

#[tokio::test]
async fn a_worker_that_could_do_no_job_goes_on_with_no_others_but_tells_their_results() {
    let stand = Stand::of_fleet();
    *stand.bench.objection.lock().unwrap() = Some("no engine".to_owned());
    let gone = clock::now() - SignedDuration::from_mins(1);
    stand.enter(&job("half", accepted("half")), "them", gone).await;
    stand.enter(&job("done", Step::Finished { result: JobResult::default() }), "them", gone).await;
    stand.worker.take_over().await.unwrap();
    eventually("the result is told", async || !stand.calls("report").is_empty()).await;
    assert_eq!(stand.known("half").await.unwrap().owner, "them");
    *stand.bench.objection.lock().unwrap() = None;
    stand.worker.take_over().await.unwrap();
    assert_eq!(stand.known("half").await.unwrap().owner, "us");
    stand.bench.ends.send_replace(true);
}

#[tokio::test]
async fn a_run_that_is_stopped_before_it_has_a_seat_again_leaves_nothing() {
    let stand = Stand::open();
    let _busy = Arc::clone(&stand.worker.seats).try_acquire_owned().unwrap();
    stand.queue.wanted.lock().unwrap().push_back(Ok(Wanted::No { why: "stopped".to_owned() }));
    stand.lives(stand.life(job("mine", accepted("mine"))).await).await.unwrap();
    assert_eq!(*stand.bench.cleared.lock().unwrap(), ["run-mine"]);
}

#[tokio::test]
async fn a_job_that_ends_each_of_its_workers_is_given_up() {
    let stand = Stand::open();
    let (run, on) = ("run-mine".to_owned(), "us".to_owned());
    let step = Step::Accepted { run, on, parked: false, ended: 20 };
    stand.enter(&job("mine", step), "us", clock::now()).await;
    stand.worker.recover().await.unwrap();
    eventually("it is given up", async || stand.known("mine").await.is_none()).await;
    assert_eq!(stand.calls("report"), ["report mine given up: 21 worker processes have ended while they had this job"]);
    assert_eq!((*stand.bench.begun.borrow(), stand.bench.cleared.lock().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn what_waits_for_its_turn_in_a_fleet_is_not_counted_as_tried_when_its_worker_drains() {
    let stand = Stand::of_fleet();
    let begun = with_turn(message("other", "1", Order::Queued, clock::now()));
    stand.enter(&begun, "them", clock::now() + SignedDuration::from_mins(1)).await;
    let lived = stand.lives(stand.life(message("mine", "2", Order::Queued, clock::now())).await);
    eventually("it waits", async || stand.worker.standing.sight().jobs.iter().any(|job| job.waits)).await;
    stand.worker.standing.set(Mode::Draining);
    lived.await.unwrap();
    let left = stand.job("mine").await;
    assert!(left.ticket.is_spent() && matches!(left.step, Step::Accepted { parked: true, .. }), "{left:?}");
    assert_eq!(stand.calls("let go"), ["let go mine receipt-1 ForGood"]);
}
