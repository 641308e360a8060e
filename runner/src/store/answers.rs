//! The answers to approvals, in the record.

use rusqlite::params;

use super::{Record, broken, history};
use crate::event::Slot;
use crate::fault::Fault;
use crate::gate::Decision;

impl Record {
    /// Writes an answer to an approval down. The first answer stays.
    ///
    /// # Errors
    /// A `Configuration` fault that names who answered before.
    pub fn decide(&self, run: &str, stage: &str, slot: Slot, decision: &Decision) -> Result<(), Fault> {
        if let Some(known) = self.decisions(run, stage, slot)?.into_iter().find(|known| known.rule == decision.rule) {
            return Err(history::answered(run, stage, &known));
        }
        let text = serde_json::to_string(decision).unwrap_or_default();
        let rule = i64::try_from(decision.rule).unwrap_or(i64::MAX);
        let sql = "INSERT INTO decisions (run, stage, slot, rule, decision) VALUES (?1, ?2, ?3, ?4, ?5)";
        let added = self.connection.execute(sql, params![run, stage, slot_text(slot), rule, text]);
        added.map(|_| ()).map_err(|error| broken(&format!("run {run}, stage {stage}"), &error))
    }

    /// The answers to the approvals of a gate.
    pub fn decisions(&self, run: &str, stage: &str, slot: Slot) -> Result<Vec<Decision>, Fault> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT decision FROM decisions WHERE run = ?1 AND stage = ?2 AND slot = ?3 ORDER BY rule";
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map(params![run, stage, slot_text(slot)], |row| row.get(0))?.collect()
        };
        let texts = read().map_err(|error| broken(&format!("run {run}"), &error))?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Writes down answers that were given elsewhere, unless there are answers here.
    pub fn take_answers(&self, run: &str, answers: &[(String, Slot, Decision)]) -> Result<(), Fault> {
        for (stage, slot, decision) in answers {
            let known = self.decisions(run, stage, *slot)?;
            if known.iter().all(|known| known.rule != decision.rule) {
                self.decide(run, stage, *slot, decision)?;
            }
        }
        Ok(())
    }
}

/// A gate, as it is written down.
pub(super) fn slot_text(slot: Slot) -> &'static str {
    match slot {
        Slot::BeforeEntry => "before-entry",
        Slot::OnSuccess => "on-success",
    }
}
