//! How CodePipeline refuses: an error's name and its text. Who is told, and how it travels, is the door's.

/// A refusal in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The error's name, `JobNotFoundException` for example.
    pub code: &'static str,
    /// What it says.
    pub message: String,
}

impl ApiError {
    /// An error of a name.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// `ValidationException`
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}
