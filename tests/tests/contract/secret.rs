//! Contract suite: secret.
