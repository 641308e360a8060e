//! Contract suite: engine.
