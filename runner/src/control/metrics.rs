//! What a worker shows of itself, as Prometheus reads it (OpenMetrics text).

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::worker::{Mode, Sight};

/// How the text is named.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text.
pub(super) fn text(sight: Sight) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("sluice_worker");
    registry.register_collector(Box::new(Shown(sight)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Shown(Sight);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Sight { totals, jobs, seats, seats_taken, results_waiting, mode, .. } = &self.0;
        let waiting = jobs.iter().filter(|job| job.waits).count();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("seats", "Jobs that may be done at the same time", count(*seats)),
            ("seats_taken", "Jobs that have a seat now", count(*seats_taken)),
            ("jobs", "Jobs that are being done, or wait", count(jobs.len())),
            ("jobs_waiting", "Jobs that wait for their turn, for a seat or for people", count(waiting)),
            ("results_waiting", "Results that the queue does not have yet", count(*results_waiting)),
            ("accepts_jobs", "1 when the worker takes jobs", i64::from(*mode == Mode::Working)),
            ("hindered", "1 when the worker would take jobs and cannot", i64::from(self.0.cannot_claim.is_some())),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in [
            ("polls", "Polls that were answered", totals.polls),
            ("polls_failed", "Polls that were not answered, or could not be made", totals.failed_polls),
            ("jobs_accepted", "Jobs taken", totals.accepted),
            ("races_lost", "Offers that another worker took", totals.races_lost),
            ("jobs_succeeded", "Results delivered of jobs that succeeded", totals.succeeded),
            ("jobs_failed", "Results delivered of jobs that failed", totals.failed),
            ("results_refused", "Results that the queue did not want", totals.refused),
            ("jobs_unwanted", "Jobs stopped because their pipeline was", totals.unwanted),
            ("jobs_lost", "Jobs that another worker took over", totals.lost),
            ("jobs_superseded", "Jobs that a newer one of their group came before", totals.superseded),
            ("jobs_given_back", "Jobs that were given back to their queue", totals.given_back),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Totals;

    #[test]
    fn prometheus_can_read_what_a_worker_did() {
        let sight = Sight {
            owner: "worker-1".to_owned(),
            table: None,
            mode: Mode::Working,
            seats: 4,
            seats_taken: 3,
            jobs: Vec::new(),
            results_waiting: 1,
            polled: None,
            cannot_claim: None,
            trouble: None,
            totals: Totals { accepted: 7, ..Totals::default() },
        };
        let text = text(sight).unwrap();
        for line in [
            "# TYPE sluice_worker_seats gauge",
            "sluice_worker_seats 4",
            "sluice_worker_seats_taken 3",
            "sluice_worker_jobs_waiting 0",
            "sluice_worker_results_waiting 1",
            "# TYPE sluice_worker_jobs_accepted counter",
            "sluice_worker_jobs_accepted_total 7",
            "sluice_worker_jobs_superseded_total 0",
            "sluice_worker_jobs_given_back_total 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
        }
    }
}
