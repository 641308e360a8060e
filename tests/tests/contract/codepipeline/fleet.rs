//! Several workers at once, on a network that loses answers: the rules of nonces and results leave each job with one
//! worker and one result, as long as the workers keep them.

use sluice_tests::codepipeline::JobStatus;

use super::*;

/// A worker that keeps the rules, and says everything again until it hears an answer.
async fn work(client: Client, service: &CodePipeline) {
    while service.jobs().iter().any(|job| !matches!(job.status, JobStatus::Succeeded | JobStatus::Failed)) {
        let poll = client.poll_for_jobs().action_type_id(type_id()).max_batch_size(2).query_param("Pool", "linux");
        for job in poll.send().await.map(|polled| polled.jobs.unwrap_or_default()).unwrap_or_default() {
            if holds(&client, &job).await {
                report(&client, job.id().unwrap()).await;
            }
        }
    }
}

async fn holds(client: &Client, job: &Job) -> bool {
    loop {
        let sent = client.acknowledge_job().job_id(job.id().unwrap()).nonce(job.nonce().unwrap()).send().await;
        match sent {
            Ok(answer) => return answer.status().unwrap().as_str() == "InProgress",
            Err(error) if error.code() == Some("InvalidNonceException") => return false,
            Err(_) => {}
        }
    }
}

async fn report(client: &Client, id: &str) {
    loop {
        let sent = client.put_job_failure_result().job_id(id).failure_details(failure("done")).send().await;
        match sent {
            Ok(_) => return,
            Err(error) if error.code() == Some("InvalidJobStateException") => return,
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn workers_that_keep_the_rules_leave_one_result_a_job_however_many_answers_are_lost() {
    let stand = Stand::open().await;
    let mut executions = Vec::new();
    for _ in 0..20 {
        executions.push(stand.start().await);
    }
    stand.service.faults().share(None, 0.2, 1, Disturbance::CloseAfter);
    stand.service.faults().share(None, 0.1, 2, Disturbance::CloseBefore);
    stand.service.faults().share(None, 0.1, 3, Disturbance::Throttle);
    let mut clients = Vec::new();
    for caller in ["222222222222", "333333333333", "444444444444"] {
        clients.push(once(&stand.service, caller).await);
    }
    let [first, second, third] = <[Client; 3]>::try_from(clients).unwrap();
    tokio::join!(work(first, &stand.service), work(second, &stand.service), work(third, &stand.service));
    for execution in executions {
        assert_eq!(stand.service.status(&execution), Some(Status::Failed));
    }
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    let lost = stand.service.calls().iter().filter(|entry| entry.call.answer_lost).count();
    assert!(lost > 0, "the network was too good to prove anything");
}
