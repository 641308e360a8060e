//! Ring 3: one suite a trait, run on the fake and on the real thing.

mod deploy;
mod engine;
mod image;
mod secret;
mod source;
mod store;
