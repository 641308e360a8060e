//! The harness: real parts for tests, started once and left clean.
