//! Contract suite: store.
