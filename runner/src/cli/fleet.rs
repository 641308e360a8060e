//! Whose runs a subcommand speaks of: this machine's, or a fleet's.

use super::Context;
use crate::fault::Fault;
use crate::store::Record;
use crate::store::history::History;
use crate::wire;

#[derive(clap::Args)]
pub(super) struct Fleet {
    /// Of the fleet with that DynamoDB table, instead of this machine [default: $SLUICE_TABLE, or this machine]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

impl Fleet {
    /// Where its runs are recorded.
    pub(super) async fn history(&self, context: &Context) -> Result<Box<dyn History>, Fault> {
        match self.table(context) {
            Some(table) => Ok(Box::new(wire::history(&table).await?)),
            None => Ok(Box::new(Record::open(context.folders()?.root())?)),
        }
    }

    /// The table, if there is one.
    pub(super) fn table(&self, context: &Context) -> Option<String> {
        self.table.clone().or_else(|| context.environment.table.clone())
    }
}
