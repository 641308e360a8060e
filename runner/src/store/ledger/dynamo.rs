//! The ledger of a fleet, in its table in DynamoDB.
//!
//! ```text
//! pk open-jobs   sk JOB      a job that is not closed: owner, fence, until (ms since 1970), body
//! pk job#JOB     sk closed   one that is: owner, fence, and `expires`
//! ```
//!
//! A job is under exactly one of the two. Every write is conditional on the owner and the fence that were read, so it
//! may be repeated when its answer was lost: what finds its own earlier write is a success.

use async_trait::async_trait;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use futures_util::future::try_join;
use jiff::Timestamp;

use super::{Entry, Holder, Ledger, REMEMBERED, Taken, decide};
use crate::fault::Fault;
use crate::store::table::{Item, Table, expires, incomplete, item, key, number, number_of, text, text_of};

/// The partition of the jobs that are not closed.
const OPEN: &str = "open-jobs";
/// The sort key of what is remembered of a closed job.
const CLOSED: &str = "closed";
/// What holds for the item of whoever holds the job.
const HELD: &str = "#owner = :owner AND fence = :fence";
/// How often a job is looked at again when somebody was faster.
const RACES: usize = 10;

/// A ledger in a table.
#[derive(Clone, Debug)]
pub struct DynamoLedger {
    table: Table,
}

impl DynamoLedger {
    /// In that table, which others may keep other things in. Nothing is called yet.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Whether a job is held under exactly this fence, whatever its lease's time.
    ///
    /// # Errors
    /// When the table cannot be asked.
    pub async fn holds(&self, job: &str, owner: &str, fence: u64) -> Result<bool, Fault> {
        let known = self.table.get(OPEN, job, &format!("looking at job {job}")).await?;
        let known = known.as_ref().map(entry).transpose()?;
        Ok(known.is_some_and(|known| known.owner == owner && known.fence == fence))
    }

    /// Writes what was decided, if all is as it was when it was decided.
    async fn enter(&self, entry: &Entry, known: Option<&Entry>, doing: &str) -> Result<bool, Fault> {
        let put = Put::builder().table_name(&self.table.name).set_item(Some(open_item(entry)));
        let put = match known {
            None => put.condition_expression("attribute_not_exists(pk)"),
            // The lease too: its holder may have renewed it meanwhile.
            Some(known) => put
                .condition_expression(format!("{HELD} AND #until = :until"))
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":owner", text(&known.owner))
                .expression_attribute_values(":fence", number(known.fence))
                .expression_attribute_values(":until", number(known.until.as_millisecond())),
        };
        let not_closed = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(key(&partition(&entry.job), CLOSED)))
            .condition_expression("attribute_not_exists(pk)");
        let put = TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build();
        let check = TransactWriteItem::builder().condition_check(not_closed.build().map_err(incomplete)?).build();
        self.table.transact(vec![put, check], doing).await
    }

    /// Moves a job to the closed ones.
    async fn close(&self, entry: &Entry, doing: &str) -> Result<bool, Fault> {
        let closed = item(
            &partition(&entry.job),
            CLOSED,
            [
                ("owner", text(&entry.owner)),
                ("fence", number(entry.fence)),
                ("expires", expires(entry.until, REMEMBERED)),
            ],
        );
        let put = Put::builder().table_name(&self.table.name).set_item(Some(closed)).build().map_err(incomplete)?;
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(key(OPEN, &entry.job)))
            .condition_expression(HELD)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&entry.owner))
            .expression_attribute_values(":fence", number(entry.fence))
            .build()
            .map_err(incomplete)?;
        let items =
            vec![TransactWriteItem::builder().delete(delete).build(), TransactWriteItem::builder().put(put).build()];
        if self.table.transact(items, doing).await? {
            return Ok(true);
        }
        // Perhaps it was closed by an earlier try of ours, of which the answer was lost.
        let known = self.table.get(&partition(&entry.job), CLOSED, doing).await?;
        known.map_or(Ok(false), |known| {
            Ok(text_of(&known, "owner")? == entry.owner && number_of::<u64>(&known, "fence")? == entry.fence)
        })
    }

    async fn renew(&self, entry: &Entry, doing: &str) -> Result<bool, Fault> {
        let request = self.table.client.update_item().table_name(&self.table.name).set_key(Some(key(OPEN, &entry.job)));
        let request = request
            .condition_expression(HELD)
            .update_expression("SET #until = :until, body = :body")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":owner", text(&entry.owner))
            .expression_attribute_values(":fence", number(entry.fence))
            .expression_attribute_values(":until", number(entry.until.as_millisecond()))
            .expression_attribute_values(":body", text(&entry.body));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.table.fault(doing, &error)),
        }
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn take(&self, job: &str, holder: &Holder, body: &str) -> Result<Taken, Fault> {
        let doing = format!("taking job {job}");
        for _ in 0..RACES {
            let partition = partition(job);
            let (open, closed) =
                try_join(self.table.get(OPEN, job, &doing), self.table.get(&partition, CLOSED, &doing)).await?;
            let known = open.as_ref().map(entry).transpose()?;
            if known.is_none() && closed.is_some() {
                return Ok(Taken::Closed);
            }
            let taken = decide(known.clone(), job, holder, body);
            match &taken {
                Taken::Ours(entry) if !self.enter(entry, known.as_ref(), &doing).await? => {}
                _ => return Ok(taken),
            }
        }
        Err(Fault::system(format!("job {job}: too many workers take it at once")))
    }

    async fn write(&self, entry: &Entry) -> Result<bool, Fault> {
        let doing = format!("writing job {}", entry.job);
        if entry.closed { self.close(entry, &doing).await } else { self.renew(entry, &doing).await }
    }

    async fn forget(&self, entry: &Entry) -> Result<(), Fault> {
        let request = self.table.client.delete_item().table_name(&self.table.name).set_key(Some(key(OPEN, &entry.job)));
        let request = request
            .condition_expression(HELD)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&entry.owner))
            .expression_attribute_values(":fence", number(entry.fence));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(self.table.fault(&format!("forgetting job {}", entry.job), &error)),
        }
    }

    async fn open(&self) -> Result<Vec<Entry>, Fault> {
        self.table.all(OPEN, "", "looking for open jobs").await?.iter().map(entry).collect()
    }
}

fn partition(job: &str) -> String {
    format!("job#{job}")
}

fn open_item(entry: &Entry) -> Item {
    item(
        OPEN,
        &entry.job,
        [
            ("owner", text(&entry.owner)),
            ("fence", number(entry.fence)),
            ("until", number(entry.until.as_millisecond())),
            ("body", text(&entry.body)),
        ],
    )
}

fn entry(item: &Item) -> Result<Entry, Fault> {
    Ok(Entry {
        job: text_of(item, "sk")?.to_owned(),
        owner: text_of(item, "owner")?.to_owned(),
        fence: number_of(item, "fence")?,
        until: Timestamp::from_millisecond(number_of(item, "until")?).unwrap_or(Timestamp::MAX),
        closed: false,
        body: text_of(item, "body")?.to_owned(),
    })
}
