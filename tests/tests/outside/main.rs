//! Ring 4: the binary, as a user would run it.

mod examples;
