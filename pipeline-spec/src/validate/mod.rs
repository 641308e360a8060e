//! Whether a pipeline hangs together: one file a family of rules. All findings are collected, none stops the next.
//!
//! What cannot be a value at all was found on reading; this module looks at names, needs, references and at what a
//! text is once the variables are in it.

mod known;
mod members;
mod needs;
mod references;
mod values;

use crate::diagnostic::Diagnostics;
use crate::pipeline::Pipeline;

pub(crate) use known::{Known, variables};
pub(crate) use members::{Member, Members};

/// Everything that must hold besides the single values.
pub(crate) fn check(pipeline: &Pipeline, members: &Members<'_>, known: &Known<'_>, d: &mut Diagnostics) {
    let graph = needs::check(members, d);
    references::check(pipeline, members, &graph, d);
    values::check(pipeline, members, known, d);
}
