//! Contract suite: image.
