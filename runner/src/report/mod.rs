//! Reports: pure functions of what happened.

pub mod codebuild_log;
pub mod junit;
