//! Build numbers of a fleet: one count a project, in its table. Two machines never give the same number, which people put
//! into the tags of images.
//!
//! ```text
//! pk                sk        builds
//! project#PROJECT   numbers   the last number that was given
//! ```

use aws_sdk_dynamodb::types::ReturnValue;

use super::table::{Item, Table, key, number, number_of};
use crate::fault::Fault;

/// The counts of a fleet.
#[derive(Clone, Debug)]
pub struct BuildNumbers(Table);

impl BuildNumbers {
    /// Those in that table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self(table)
    }

    /// The next number of a project. `own` is what this machine's own count says: the fleet's never falls behind it, so
    /// that a machine which joins a fleet does not give its numbers a second time.
    ///
    /// # Errors
    /// As the table's.
    pub async fn next(&self, project: &str, own: u64) -> Result<u64, Fault> {
        let doing = format!("counting the builds of {project}");
        loop {
            let counted = self.counted(project, own, &doing).await?;
            if counted >= own || self.raised(project, own, &doing).await? {
                return Ok(counted.max(own));
            }
        }
    }

    async fn counted(&self, project: &str, own: u64, doing: &str) -> Result<u64, Fault> {
        let request = self.0.client.update_item().table_name(&self.0.name).set_key(Some(place(project)));
        let request = request
            .update_expression("SET builds = if_not_exists(builds, :before) + :one")
            .expression_attribute_values(":before", number(own.saturating_sub(1)))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = request.send().await.map_err(|error| self.0.fault(doing, &error))?;
        number_of(&answer.attributes.unwrap_or_default(), "builds")
    }

    /// Raises the count to `own`. `false`: it is there already, or beyond.
    async fn raised(&self, project: &str, own: u64, doing: &str) -> Result<bool, Fault> {
        let request = self.0.client.update_item().table_name(&self.0.name).set_key(Some(place(project)));
        let request = request
            .update_expression("SET builds = :own")
            .condition_expression("builds < :own")
            .expression_attribute_values(":own", number(own));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.0.fault(doing, &error)),
        }
    }
}

fn place(project: &str) -> Item {
    key(&format!("project#{project}"), "numbers")
}
