//! Contract suite: source.
