//! Sinks: one file an output. A sink is shown every event in order, and knows neither engine nor plan.

mod ask;
mod json_lines;
mod log_files;
mod plain;
mod shipments;
mod terminal;

use crate::event::Event;
use crate::fault::Fault;
use crate::state::RunState;

pub use ask::{Answer, Ask, Take};
pub use json_lines::JsonLines;
pub use log_files::LogFiles;
pub use plain::Plain;
pub use shipments::Shipments;
pub use terminal::Terminal;

/// One output.
///
/// Events come in order, one at a time, with the state that already holds them. A sink may wait for the local disk or
/// the terminal, and for nothing else. A fault ends the run: only a sink that keeps what must not be lost has one.
pub trait Sink: Send {
    /// Takes one event.
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault>;

    /// Brings out what was held back.
    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
