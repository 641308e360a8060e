//! Ring 1: text in, plan or diagnostics out.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod schema;

/// A variable of the environment, by which a developer says what the tests do.
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests have no settings")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
