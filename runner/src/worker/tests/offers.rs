use jiff::SignedDuration;

use super::super::accept;
use super::*;

fn offer(nonce: &str) -> Offer {
    let ticket = Ticket { job: "mine".to_owned(), receipt: nonce.to_owned(), delivery: None };
    Offer { ticket, order: Ok(order("mine", None)) }
}

impl Stand {
    async fn entered(&self, nonce: &str) -> Option<Held> {
        let offer = offer(nonce);
        let active = self.worker.begin(&offer.ticket.job).unwrap();
        accept::entered(&self.worker, offer, active).await
    }

    async fn offered(&self, held: Held) {
        accept::offered(&self.worker, held, None).await;
    }

    fn answers(&self, answers: impl IntoIterator<Item = Result<Accepted, Fault>>) {
        self.queue.accepts.lock().unwrap().extend(answers);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_be_ours_is_asked_for_again_with_the_newest_ticket() {
    let stand = Stand::open();
    stand.answers((0..3).map(|_| Err(Fault::system("no answer"))));
    stand.offered(stand.entered("nonce-1").await.unwrap()).await;
    let left = stand.known("mine").await.expect("it is not forgotten");
    let left = Job::parse("mine", &left.body).unwrap();
    assert!(matches!(left.step, Step::Offered { .. }), "{left:?}");
    let held = stand.entered("nonce-2").await.unwrap();
    let again = Job::parse("mine", &stand.known("mine").await.unwrap().body).unwrap();
    assert_eq!(again.ticket.receipt, "nonce-2", "also after a crash");
    assert_eq!(again.run(), left.run(), "a process that died may have begun it without writing that down");
    stand.answers([Ok(Accepted::Ours)]);
    stand.bench.ends.send_replace(true);
    stand.offered(held).await;
    assert_eq!(stand.calls("accept").last().unwrap(), "accept mine nonce-2");
    assert_eq!(stand.calls("report"), ["report mine done"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_gone_after_a_try_that_was_not_answered_is_not_begun() {
    let stand = Stand::open();
    stand.answers([Err(Fault::system("no answer")), Ok(Accepted::Gone)]);
    stand.offered(stand.entered("nonce-1").await.unwrap()).await;
    assert_eq!((stand.known("mine").await, *stand.bench.begun.borrow()), (None, 0));
    assert_eq!(stand.worker.standing.sight().totals.races_lost, 1);
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_queue_is_asked_and_one_that_is_lost_ends_that() {
    let stand = Stand::open();
    let held = stand.entered("nonce-1").await.unwrap();
    let entered = stand.known("mine").await.unwrap().until;
    let watches = async {
        eventually("the lease is renewed", async || stand.known("mine").await.unwrap().until > entered).await;
        stand.steal("mine").await;
    };
    // The queue never answers.
    tokio::join!(stand.offered(held), watches);
    assert_eq!(stand.known("mine").await.unwrap().owner, "them");
    assert_eq!(stand.worker.standing.sight().totals.lost, 1);
}

#[tokio::test]
async fn a_job_whose_lease_is_lost_when_the_queue_says_that_it_is_ours_is_not_begun() {
    let stand = Stand::open();
    let held = stand.entered("nonce-1").await.unwrap();
    stand.steal("mine").await;
    stand.answers([Ok(Accepted::Ours)]);
    stand.offered(held).await;
    let totals = stand.worker.standing.sight().totals;
    assert_eq!((*stand.bench.begun.borrow(), totals.accepted, totals.lost), (0, 0, 1));
}

#[tokio::test]
async fn what_another_version_wrote_is_left_to_it() {
    let stand = Stand::open();
    let past = clock::now() - SignedDuration::from_secs(1);
    let holder = Holder { owner: "them".to_owned(), now: past, until: past };
    stand.ledger.take("mine", &holder, r#"{"step":"newer"}"#).await.unwrap();
    let theirs = stand.known("mine").await.unwrap();
    let active = stand.worker.begin("mine").unwrap();
    assert!(accept::taken_over(&stand.worker, &theirs, active).await.is_none());
    assert_eq!(stand.known("mine").await.unwrap(), theirs, "it was not taken");
    assert!(stand.entered("nonce-1").await.is_none());
    let left = stand.known("mine").await.unwrap();
    assert!(left.until <= clock::now() && left.body == theirs.body, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn news_in_quick_succession_are_one_poll() {
    let stand = Stand::open();
    let worker = Arc::clone(&stand.worker);
    let claims = tokio::spawn(async move { worker.claim().await });
    let pass = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
    for _ in 0..5 {
        pass(50).await;
        stand.worker.nudge.notify_one();
    }
    pass(2000).await;
    assert_eq!(stand.calls("poll").len(), 2, "the first, and one for all news");
    stand.worker.standing.set(Mode::Draining);
    claims.await.unwrap();
}
