use super::*;

#[tokio::test]
async fn a_stopped_job_is_nobody_elses_while_it_cleans_up() {
    let stand = Stand::open();
    stand.queue.wanted.lock().unwrap().push_back(Ok(Wanted::No { why: "stopped".to_owned() }));
    let life = stand.life(job("mine", accepted("mine"))).await;
    let worker = Arc::clone(&stand.worker);
    let lived = tokio::spawn(async move { life.live(&worker).await });
    eventually("the queue is asked", async || !stand.calls("heartbeat").is_empty()).await;
    let asked = stand.known("mine").await.unwrap().until;
    eventually("the lease is renewed", async || stand.known("mine").await.unwrap().until > asked).await;
    stand.bench.ends.send_replace(true);
    lived.await.unwrap();
    assert_eq!(stand.known("mine").await, None);
    assert_eq!((stand.calls("heartbeat").len(), stand.calls("report").len()), (1, 0));
}

#[tokio::test]
async fn a_job_whose_lease_is_lost_while_it_waits_is_not_begun() {
    let stand = Stand::open();
    let life = stand.life(message("mine", "1", Order::Queued, clock::now())).await;
    stand.steal("mine").await;
    life.live(&stand.worker).await;
    assert_eq!(*stand.bench.begun.borrow(), 0);
    assert_eq!(stand.worker.standing.sight().totals.lost, 1);
}

#[tokio::test]
async fn a_lost_job_is_gone_on_with_by_a_worker_of_its_pool_and_queue_alone() {
    let finished = || Step::Finished { result: JobResult::default() };
    let of_pool = |id: &str, pool: &str| {
        let mut job = job(id, finished());
        if let Ok(order) = &mut job.order {
            order.pool = pool.to_owned();
        }
        job
    };
    let of_queue = |id: &str, queue: &str| {
        let delivery = Delivery { queue: queue.to_owned(), received: clock::now(), count: 1 };
        let ticket = Ticket { job: id.to_owned(), receipt: "receipt-1".to_owned(), delivery: Some(delivery) };
        Job { ticket, ..of_pool(id, "") }
    };
    let stand = Stand::open();
    let gone = clock::now() - SignedDuration::from_mins(1);
    for lost in [
        of_pool("ours", "linux"),
        of_pool("theirs", "gpu"),
        of_queue("here", "https://queue"),
        of_queue("there", "https://another"),
    ] {
        stand.enter(&lost, "them", gone).await;
    }
    stand.worker.take_over().await.unwrap();
    eventually("both are reported", async || stand.calls("report").len() == 2).await;
    let mut left = Vec::new();
    for id in ["ours", "theirs", "here", "there"] {
        left.extend(stand.known(id).await.filter(|entry| entry.owner == "them").map(|_| id));
    }
    assert_eq!(left, ["theirs", "there"]);
}
