//! Ring 1: text in, plan or diagnostics out.

mod cases;
mod corpus;
mod properties;
