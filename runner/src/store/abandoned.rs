//! Sources that were fetched before their run began, by processes that were killed then.

use std::path::PathBuf;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::StateFolders;
use super::folders::SCRATCH;
use crate::clock;
use crate::disk::{Kept, Shelf, bytes_under, looking};
use crate::fault::{Fault, io};

/// A fetch that began later may still go on: nothing else tells whether a process has the folder.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The scratch folders of a state directory that nobody needs any longer.
#[derive(Clone, Debug)]
pub struct Abandoned {
    folders: StateFolders,
}

impl Abandoned {
    /// Those of that state directory.
    #[must_use]
    pub fn of(folders: StateFolders) -> Self {
        Self { folders }
    }

    fn all(&self) -> Vec<Kept> {
        let entries = std::fs::read_dir(self.folders.root()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let kept = names.filter(|name| name.starts_with(SCRATCH)).filter_map(|name| {
            let path = self.path(&name);
            let last_use = Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok()?;
            let in_use = clock::now().duration_since(last_use) < LONGEST;
            Some(Kept { name, bytes: bytes_under(&path), last_use, in_use })
        });
        kept.collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folders.root().join(name)
    }
}

#[async_trait]
impl Shelf for Abandoned {
    fn kind(&self) -> &'static str {
        "unfinished fetch"
    }

    async fn list(&self) -> Result<Vec<Kept>, Fault> {
        let abandoned = self.clone();
        looking(move || Ok(abandoned.all())).await
    }

    async fn remove(&self, name: &str) -> Result<bool, Fault> {
        let path = self.path(name);
        looking(move || match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&path)(error)),
            _ => Ok(true),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};

    use super::*;

    #[tokio::test]
    async fn a_fetch_of_the_last_day_stays_and_nothing_but_fetches_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(root.path().to_owned());
        let fresh = folders.scratch().unwrap();
        let old = root.path().join("fetch-old");
        fs::create_dir_all(old.join("source")).unwrap();
        fs::create_dir_all(root.path().join("mirrors")).unwrap();
        let long_ago = clock::now() - SignedDuration::from_hours(25);
        File::open(&old).unwrap().set_times(FileTimes::new().set_modified(long_ago.into())).unwrap();
        let abandoned = Abandoned::of(folders);
        let mut found = abandoned.list().await.unwrap();
        found.sort_by_key(|kept| kept.in_use);
        let fresh = fresh.path().file_name().unwrap().to_string_lossy();
        let found: Vec<_> = found.iter().map(|kept| (kept.name.as_str(), kept.in_use)).collect();
        assert_eq!(found, [("fetch-old", false), (&*fresh, true)]);
        assert!(abandoned.remove("fetch-old").await.unwrap() && !old.exists());
    }
}
