//! Whether the builds of a batch can wait for each other as they are written.

use std::collections::HashMap;

use super::BatchTask;
use crate::diagnostic::{Diagnostics, nearest, shortened};

/// Reports identifiers that are used twice, dependencies that do not exist, and cycles.
pub(super) fn check(tasks: &[BatchTask], d: &mut Diagnostics) {
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (place, task) in tasks.iter().enumerate() {
        if let Some(first) = index.get(&*task.identifier.value) {
            let message = format!("the identifier `{}` is used twice", shortened(&task.identifier.value));
            let first = tasks[*first].identifier.span;
            d.error("batch", task.identifier.span, message).related(first, "first used here");
        } else {
            index.insert(&task.identifier.value, place);
        }
    }
    for dependency in tasks.iter().flat_map(|task| &task.depend_on) {
        if !index.contains_key(&*dependency.value) {
            let message = format!("there is no build `{}` in the batch", shortened(&dependency.value));
            let found = d.error("batch", dependency.span, message);
            if let Some(near) = nearest(&dependency.value, index.keys().copied()) {
                found.hint(format!("did you mean `{near}`?"));
            }
        }
    }
    if let Some(task) = in_a_cycle(tasks, &index) {
        let message = format!("the build `{}` waits for itself", shortened(&task.identifier.value));
        d.error("cycle", task.identifier.span, message);
    }
}

/// A task that can never start, when tasks are taken away whose dependencies have all gone before.
fn in_a_cycle<'t>(tasks: &'t [BatchTask], index: &HashMap<&str, usize>) -> Option<&'t BatchTask> {
    let mut waits_for = vec![0_usize; tasks.len()];
    let mut waited_for_by: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (place, task) in tasks.iter().enumerate() {
        for dependency in task.depend_on.iter().filter_map(|dependency| index.get(&*dependency.value)) {
            waits_for[place] += 1;
            waited_for_by[*dependency].push(place);
        }
    }
    let mut ready: Vec<usize> = (0..tasks.len()).filter(|place| waits_for[*place] == 0).collect();
    while let Some(done) = ready.pop() {
        for place in &waited_for_by[done] {
            waits_for[*place] -= 1;
            if waits_for[*place] == 0 {
                ready.push(*place);
            }
        }
    }
    waits_for.iter().position(|open| *open > 0).map(|place| &tasks[place])
}
