//! The history of a fleet, in its table in DynamoDB.
//!
//! ```text
//! pk runs      sk RUN                           a run in the list: pipeline, started
//! pk run#RUN   sk plan                          plan, options, or their beginnings and where the rest is
//! pk run#RUN   sk plan#SHA256#PIECE             what follows of them when they are too long for one item
//! pk run#RUN   sk event#FENCE#NUMBER            event, as JSON, or its beginning
//! pk run#RUN   sk event#FENCE#NUMBER#PIECE      what follows of an event that is too long for one item
//! pk run#RUN   sk decision#SLOT#RULE#STAGE      decision, as JSON
//! ```
//!
//! Ids of runs begin with their time, so that the list is in its order.

use async_trait::async_trait;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use jiff::{SignedDuration, Timestamp};

use super::merge::merged;
use super::pieces::{PIECE, PLAN, of_plan, pieces, plan_of, rest_of};
use super::{History, answered, only};
use crate::clock;
use crate::event::{Event, Slot};
use crate::fault::Fault;
use crate::gate::Decision;
use crate::store::RunRow;
use crate::store::answers::slot_text;
use crate::store::table::{Item, Table, expires, incomplete, item, key, text, text_of};

/// The partition of the list.
const RUNS: &str = "runs";
/// How long a run is known to the fleet. The machines that carried it out know it for longer.
const KNOWN: SignedDuration = SignedDuration::from_hours(90 * 24);
/// As many items as DynamoDB takes at once (API reference, "BatchWriteItem").
const BATCH: usize = 25;
/// How many `#` the sort key of an event's beginning has.
const EVENT_SIGNS: usize = 2;
/// How often what DynamoDB did not take of a batch is given to it again.
const TRIES: u32 = 8;

/// Runs in a table.
#[derive(Clone, Debug)]
pub struct DynamoHistory {
    table: Table,
}

impl DynamoHistory {
    /// In that table, which others may keep other things in. Nothing is called yet.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Enters a run. It may be entered again.
    pub async fn enter(&self, run: &RunRow) -> Result<(), Fault> {
        let until = expires(clock::now(), KNOWN);
        let doing = format!("entering run {}", run.id);
        let (first, rests) = of_plan(&partition(&run.id), run, &until);
        // What a plan goes on in, the plan, and the run in the list, in this order: what is there is there as a whole.
        for items in rests.chunks(BATCH) {
            self.put(items.to_vec(), &doing).await?;
        }
        self.put(vec![first], &doing).await?;
        let started = text(run.started.to_string());
        let row = [("pipeline", text(&run.pipeline)), ("started", started), ("expires", until)];
        self.put(vec![item(RUNS, &run.id, row)], &doing).await
    }

    /// Adds events, in order. They may be added again.
    pub async fn append(&self, run: &str, fence: u64, events: &[Event]) -> Result<(), Fault> {
        let until = expires(clock::now(), KNOWN);
        let doing = format!("adding events of run {run}");
        for batch in events.chunks(BATCH) {
            let (mut firsts, mut rests) = (Vec::new(), Vec::new());
            for event in batch {
                let written = serde_json::to_string(event).unwrap_or_default();
                let sk = format!("event#{fence:010}#{:010}", event.sequence);
                for (number, piece) in pieces(&written, PIECE).into_iter().enumerate() {
                    let (items, sk) = match number {
                        0 => (&mut firsts, sk.clone()),
                        number => (&mut rests, format!("{sk}#{number:04}")),
                    };
                    items.push(item(&partition(run), &sk, [("event", text(piece)), ("expires", until.clone())]));
                }
            }
            // An event whose beginning is there is there as a whole.
            for items in rests.chunks(BATCH) {
                self.put(items.to_vec(), &doing).await?;
            }
            self.put(firsts, &doing).await?;
        }
        Ok(())
    }

    /// The run of exactly that id.
    pub async fn find(&self, id: &str) -> Result<Option<RunRow>, Fault> {
        let doing = format!("looking for run {id}");
        match self.table.get(RUNS, id, &doing).await? {
            Some(listed) => self.row(&listed, &doing).await,
            None => Ok(None),
        }
    }

    /// All answers to approvals of a run, by stage and gate.
    pub async fn all_decisions(&self, run: &str) -> Result<Vec<(String, Slot, Decision)>, Fault> {
        let items = self.table.all(&partition(run), "decision#", &format!("looking for answers of run {run}")).await?;
        let read = |item: &Item| {
            let slot = if text_of(item, "slot")? == slot_text(Slot::BeforeEntry) {
                Slot::BeforeEntry
            } else {
                Slot::OnSuccess
            };
            Ok((text_of(item, "stage")?.to_owned(), slot, parsed(run, text_of(item, "decision")?)?))
        };
        items.iter().map(read).collect()
    }

    /// A run of the list; `None` when its plan is gone, which one that expires may be first.
    async fn row(&self, listed: &Item, doing: &str) -> Result<Option<RunRow>, Fault> {
        let id = text_of(listed, "sk")?;
        let Some(first) = self.table.get(&partition(id), PLAN, doing).await? else { return Ok(None) };
        let rests = match rest_of(&first) {
            Some(beginning) => self.table.all(&partition(id), beginning, doing).await?,
            None => Vec::new(),
        };
        let Some((plan, options)) = plan_of(&first, &rests)? else { return Ok(None) };
        Ok(Some(RunRow {
            id: id.to_owned(),
            pipeline: text_of(listed, "pipeline")?.to_owned(),
            started: text_of(listed, "started")?.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            plan,
            options,
        }))
    }

    /// The newest runs whose id begins so.
    async fn newest(&self, beginning: &str, limit: usize) -> Result<Vec<RunRow>, Fault> {
        let doing = "looking for runs";
        let request = self.table.client.query().table_name(&self.table.name).consistent_read(true);
        let request = request.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
        // The highest of the characters that ids are made of ends every id that begins so.
        let (first, last) = (if beginning.is_empty() { "0" } else { beginning }, format!("{beginning}~"));
        let request = request.expression_attribute_values(":first", text(first));
        let request = request.expression_attribute_values(":last", text(last));
        let request = request.expression_attribute_values(":pk", text(RUNS)).scan_index_forward(false);
        let request = request.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let mut pages = request.into_paginator().items().send();
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some(listed) = pages.next().await
        {
            let listed = listed.map_err(|error| self.table.fault(doing, &error))?;
            rows.extend(self.row(&listed, doing).await?);
        }
        Ok(rows)
    }

    /// Puts items, again and again until all are taken.
    async fn put(&self, items: Vec<Item>, doing: &str) -> Result<(), Fault> {
        let request = |item: Item| {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left = items.into_iter().map(request).collect::<Result<Vec<_>, Fault>>()?;
        for attempt in 0..TRIES {
            let batch = self.table.client.batch_write_item().request_items(&self.table.name, left);
            let answer = batch.send().await.map_err(|error| self.table.fault(doing, &error))?;
            let rest = answer.unprocessed_items.and_then(|mut items| items.remove(&self.table.name));
            left = rest.unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(25..75) << attempt)).await;
        }
        Err(Fault::system(format!("table {}: {doing}: it takes no more now", self.table.name)))
    }
}

#[async_trait(?Send)]
impl History for DynamoHistory {
    async fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Fault> {
        self.newest("", limit).await
    }

    async fn run(&self, prefix: Option<&str>) -> Result<RunRow, Fault> {
        let found = match prefix {
            None => self.newest("", 1).await?,
            Some(prefix) => self.newest(prefix, 2).await?,
        };
        only(found, prefix)
    }

    async fn events(&self, run: &str) -> Result<Vec<Event>, Fault> {
        self.told(run).await
    }

    async fn decisions(&self, run: &str, stage: &str, slot: Slot) -> Result<Vec<Decision>, Fault> {
        let all = self.all_decisions(run).await?;
        let of_gate = all.into_iter().filter(|(known, at, _)| known == stage && *at == slot);
        Ok(of_gate.map(|(_, _, decision)| decision).collect())
    }

    async fn decide(&self, run: &str, stage: &str, slot: Slot, decision: &Decision) -> Result<(), Fault> {
        let doing = format!("answering for stage {stage} of run {run}");
        let sk = format!("decision#{}#{:04}#{stage}", slot_text(slot), decision.rule);
        let written = text(serde_json::to_string(decision).unwrap_or_default());
        let until = expires(clock::now(), KNOWN);
        let rest = [("stage", text(stage)), ("slot", text(slot_text(slot))), ("decision", written), ("expires", until)];
        let put = self.table.client.put_item().table_name(&self.table.name);
        let put = put.set_item(Some(item(&partition(run), &sk, rest))).condition_expression("attribute_not_exists(pk)");
        let Err(error) = put.send().await else { return Ok(()) };
        if error.code() != Some("ConditionalCheckFailedException") {
            return Err(self.table.fault(&doing, &error));
        }
        let known = self.table.get(&partition(run), &sk, &doing).await?.unwrap_or_else(|| key(&partition(run), &sk));
        let known: Decision = parsed(run, text_of(&known, "decision")?)?;
        // Perhaps it is this very one, of which the answer was lost.
        if known == *decision { Ok(()) } else { Err(answered(run, stage, &known)) }
    }
}

impl DynamoHistory {
    /// The events of a run as one history.
    pub async fn told(&self, run: &str) -> Result<Vec<Event>, Fault> {
        let items = self.table.all(&partition(run), "event#", &format!("reading the events of run {run}")).await?;
        let mut written: Vec<(&str, String)> = Vec::new();
        for item in &items {
            let (sk, piece) = (text_of(item, "sk")?, text_of(item, "event")?);
            match (sk.matches('#').count() > EVENT_SIGNS, written.last_mut()) {
                (false, _) => written.push((sk, piece.to_owned())),
                (true, Some((first, whole))) if sk.starts_with(*first) => whole.push_str(piece),
                // Its beginning is not there yet.
                (true, _) => {}
            }
        }
        let read = |(sk, event): &(&str, String)| {
            let fence = sk.split('#').nth(1).and_then(|fence| fence.parse().ok()).unwrap_or_default();
            Ok((fence, parsed(run, event)?))
        };
        Ok(merged(written.iter().map(read).collect::<Result<Vec<_>, Fault>>()?))
    }
}

fn partition(run: &str) -> String {
    format!("run#{run}")
}

fn parsed<T: serde::de::DeserializeOwned>(run: &str, written: &str) -> Result<T, Fault> {
    serde_json::from_str(written).map_err(|error| {
        Fault::system(format!("run {run}: what the table says of it cannot be read: {error}"))
            .hint("another version of sluice wrote it")
    })
}
