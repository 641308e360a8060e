//! Cleaning shelves: what is there, what the policy says, and its removal.

use std::path::Path;

use jiff::Timestamp;

use super::{Allowance, Kept, Shelf, allowed, surplus};
use crate::fault::{Fault, io};

/// What a cleaning did, or would do.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// What went, with its kind, in its order.
    pub gone: Vec<(&'static str, Kept)>,
    /// What stays, in bytes.
    pub kept: u64,
    /// What could not be read or removed; it holds nothing else up.
    pub faults: Vec<Fault>,
}

impl Cleaned {
    /// How many bytes went. Images share layers, so the disk may gain less by theirs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.gone.iter().map(|(_, kept)| kept.bytes).sum()
    }
}

/// Removes from the shelves what is more than the allowance; with `dry` it only tells what that is.
pub async fn clean(shelves: &[Box<dyn Shelf>], allowance: Allowance, now: Timestamp, dry: bool) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let (owners, kept) = listed(shelves, &mut cleaned).await;
    cleaned.kept = kept.iter().map(|kept| kept.bytes).sum();
    for place in surplus(&kept, allowance, now) {
        let (shelf, one) = (&shelves[owners[place]], &kept[place]);
        let removed = if dry { Ok(true) } else { shelf.remove(&one.name).await };
        match removed {
            Ok(true) => {
                cleaned.kept -= one.bytes;
                cleaned.gone.push((shelf.kind(), one.clone()));
            }
            Ok(false) => {}
            Err(fault) => cleaned.faults.push(fault.doing(format!("{} {}", shelf.kind(), one.name))),
        }
    }
    cleaned
}

/// Removes as much as must go for `wanted` bytes to be free on the disk of that path. It does nothing, and measures
/// nothing, where they are free already.
///
/// # Errors
/// A `System` fault when the free space cannot be told.
pub async fn make_room(shelves: &[Box<dyn Shelf>], path: &Path, wanted: u64, now: Timestamp) -> Result<Cleaned, Fault> {
    let free = fs4::available_space(path).map_err(io(path))?;
    if free >= wanted {
        return Ok(Cleaned::default());
    }
    let (_, kept) = listed(shelves, &mut Cleaned::default()).await;
    let at_most = Some(allowed(kept.iter().map(|kept| kept.bytes).sum(), free, wanted));
    Ok(clean(shelves, Allowance { older_than: None, at_most }, now, false).await)
}

/// All that is kept, and the place of its shelf.
async fn listed(shelves: &[Box<dyn Shelf>], cleaned: &mut Cleaned) -> (Vec<usize>, Vec<Kept>) {
    let mut all = Vec::new();
    for (place, shelf) in shelves.iter().enumerate() {
        match shelf.list().await {
            Ok(kept) => all.extend(kept.into_iter().map(|kept| (place, kept))),
            Err(fault) => cleaned.faults.push(fault),
        }
    }
    all.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;

    /// Things of a gigabyte, the first not used for longest; one of them is taken between listing and removal.
    struct Row(Mutex<Vec<&'static str>>);

    #[async_trait]
    impl Shelf for Row {
        fn kind(&self) -> &'static str {
            "row"
        }

        async fn list(&self) -> Result<Vec<Kept>, Fault> {
            let kept = |(place, name): (usize, &&str)| Kept {
                name: (*name).to_owned(),
                bytes: 1 << 30,
                last_use: Timestamp::from_second(place as i64).unwrap(),
                in_use: false,
            };
            Ok(self.0.lock().unwrap().iter().enumerate().map(kept).collect())
        }

        async fn remove(&self, name: &str) -> Result<bool, Fault> {
            match name {
                "taken" => Ok(false),
                "stuck" => Err(Fault::system("it does not go")),
                _ => {
                    self.0.lock().unwrap().retain(|known| *known != name);
                    Ok(true)
                }
            }
        }
    }

    fn row() -> Vec<Box<dyn Shelf>> {
        vec![Box::new(Row(Mutex::new(vec!["taken", "stuck", "old", "new"])))]
    }

    fn names(cleaned: &Cleaned) -> Vec<&str> {
        cleaned.gone.iter().map(|(_, kept)| kept.name.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_taken_or_stuck_holds_nothing_else_up() {
        let (shelves, now) = (row(), Timestamp::from_second(1000).unwrap());
        let none = Allowance { older_than: None, at_most: Some(0) };
        let dry = clean(&shelves, none, now, true).await;
        assert_eq!((names(&dry), dry.kept), (vec!["taken", "stuck", "old", "new"], 0));
        let cleaned = clean(&shelves, none, now, false).await;
        assert_eq!((names(&cleaned), cleaned.kept, cleaned.bytes()), (vec!["old", "new"], 2 << 30, 2 << 30));
        assert_eq!(cleaned.faults[0].message, "row stuck: it does not go");
    }

    #[tokio::test]
    async fn room_is_made_only_where_there_is_none() {
        let (shelves, now) = (row(), Timestamp::from_second(1000).unwrap());
        let here = Path::new("/");
        assert!(make_room(&shelves, here, 0, now).await.unwrap().gone.is_empty());
        let all = make_room(&shelves, here, u64::MAX, now).await.unwrap();
        assert_eq!(names(&all), ["old", "new"]);
    }
}
