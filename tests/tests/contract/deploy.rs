//! Contract suite: deploy.
