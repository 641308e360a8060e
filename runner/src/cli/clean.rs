//! `sluice clean`: makes room on the disk.

use jiff::SignedDuration;
use pipeline_spec::quantity;

use super::{Context, Exit, out};
use crate::clock;
use crate::disk::{Allowance, Cleaned, clean as clean_shelves};
use crate::fault::Fault;
use crate::report::text::bytes;
use crate::source::Mirrors;
use crate::wire::{self, Kinds};

const EXAMPLES: &str = "\
Examples:
  sluice clean --dry-run                  say what has not been used for 30 days
  sluice clean --older-than 7d --caches   remove caches that were not used for a week
  sluice clean --runs --older-than 90d    remove logs and artifacts of runs that ended that long ago
  sluice clean --keep-bytes 20GiB         remove what was not used for longest until 20 GiB are left

Runs only get slower by it, once; but for --runs, which removes logs for good. Nothing that a live run uses is removed.";

/// What was not used for so long goes when nothing else is said: 30 days.
const LONG: i64 = 30 * 24 * 3600;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Look at the caches of builds [default: all of these three]
    #[arg(long)]
    caches: bool,
    /// Look at the mirrors of repositories and at unfinished fetches, and make the small packs in them into one
    #[arg(long)]
    mirrors: bool,
    /// Look at the images that image actions have built, and that a later build has taken the name of
    #[arg(long)]
    images: bool,
    /// Look at logs and artifacts of runs that are over; what happened stays in the record. Not looked at by default
    #[arg(long)]
    runs: bool,
    /// Remove what was not used for so long [default: 30d, unless --keep-bytes is given]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    older_than: Option<i64>,
    /// Then remove what was not used for longest, until at most so much is left
    #[arg(long, value_name = "SIZE", value_parser = size)]
    keep_bytes: Option<u64>,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn clean(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let folders = context.folders()?;
    let none = !(args.caches || args.mirrors || args.images || args.runs);
    let kinds = Kinds {
        caches: args.caches || none,
        mirrors: args.mirrors || none,
        images: args.images || none,
        runs: args.runs,
    };
    let older_than = args.older_than.or_else(|| args.keep_bytes.is_none().then_some(LONG));
    let allowance = Allowance { older_than: older_than.map(SignedDuration::from_secs), at_most: args.keep_bytes };
    super::runtime()?.block_on(async {
        let shelves = wire::shelves(&context.environment, &folders, kinds);
        let mut cleaned = clean_shelves(&shelves, allowance, clock::now(), args.dry_run).await;
        out::say(&told(&cleaned, args.dry_run));
        if kinds.mirrors && !args.dry_run {
            match Mirrors::at(folders.mirrors()).consolidate().await {
                Ok(done) if done.packs > 0 => {
                    out::say(&format!("made {} small packs of {} mirrors into one each", done.packs, done.mirrors));
                }
                Ok(_) => {}
                Err(fault) => cleaned.faults.push(fault),
            }
        }
        cleaned.faults.iter().for_each(out::fault);
        Ok(if cleaned.faults.is_empty() { Exit::Succeeded } else { Exit::Broken })
    })
}

/// One line for each thing that goes, and one for all.
fn told(cleaned: &Cleaned, dry: bool) -> String {
    let (removes, frees) = if dry { ("would remove", "would free") } else { ("removed", "freed") };
    let mut text = String::new();
    for (kind, kept) in &cleaned.gone {
        let used = kept.last_use.strftime("%Y-%m-%d");
        text.push_str(&format!("{removes} {kind} {} ({}, last used {used})\n", kept.name, bytes(kept.bytes)));
    }
    text.push_str(&format!("{frees} {}, {} stay\n", bytes(cleaned.bytes()), bytes(cleaned.kept)));
    text
}

fn seconds(text: &str) -> Result<i64, String> {
    let seconds = quantity::duration(text).map_err(|bad| format!("{}; {}", bad.message, bad.hint))?;
    i64::try_from(seconds).map_err(|error| error.to_string())
}

fn size(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes) => Ok(bytes),
        Err(_) => quantity::size(text).map_err(|bad| format!("{}; {}", bad.message, bad.hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Kept;

    #[test]
    fn what_goes_is_told_with_its_size_and_its_last_use() {
        let kept = Kept {
            name: "billing-0a/slot-0".to_owned(),
            bytes: 3 << 29,
            last_use: "2026-03-02T10:00:00Z".parse().unwrap(),
            in_use: false,
        };
        let cleaned = Cleaned { gone: vec![("cache", kept)], kept: 1 << 20, faults: Vec::new() };
        let expected = "would remove cache billing-0a/slot-0 (1.5 GiB, last used 2026-03-02)\n\
                        would free 1.5 GiB, 1.0 MiB stay\n";
        assert_eq!(told(&cleaned, true), expected);
        assert!(told(&cleaned, false).ends_with("freed 1.5 GiB, 1.0 MiB stay\n"));
    }

    #[test]
    fn sizes_and_times_are_read_as_everywhere() {
        assert_eq!((seconds("7d"), size("2GiB"), size("1000")), (Ok(604_800), Ok(2 << 30), Ok(1000)));
        assert!(seconds("7").unwrap_err().contains("`24h`") && size("much").is_err());
    }
}
