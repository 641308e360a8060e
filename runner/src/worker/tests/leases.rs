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
