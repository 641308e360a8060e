//! Reports: pure functions of what happened.

pub mod build_log;
pub mod codebuild_log;
pub mod junit;
pub mod progress_lines;
pub mod summary;
pub mod text;
