//! `pipeline-spec` reads `buildspec.yml` and `pipeline.yml` and makes one [`plan::Plan`] of them.
//!
//! Everything here is a function from value to value: no files, no network, no clock.

pub mod buildspec;
pub mod diagnostic;
pub mod fields;
pub mod interpolate;
pub mod name;
pub mod pipeline;
pub mod plan;
mod planning;
pub mod quantity;
mod reading;
pub mod schema;
mod validate;
pub mod view;
pub mod yaml;

pub use buildspec::{Buildspec, plan_of_buildspec, read_buildspec, secret_reference};
pub use reading::{Kind, Purpose, ReadOptions, kind_of, read, source_folder};
