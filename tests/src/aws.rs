//! An AWS of the test's own: the emulator `ministack` on a free port, with nothing in it.

use std::process::Command;

use aws_sdk_ecr::config::{Credentials, Region};
use aws_types::SdkConfig;
use runner::aws::Aws;

use crate::port::{Server, free};

/// The Region that the emulator's tests use.
pub const REGION: &str = "eu-west-1";
/// The account of [`AwsEmulator::aws`].
pub const ACCOUNT: &str = "111111111111";

/// A running emulator, gone when dropped. ECS services that it started run as containers of the machine's engine; a
/// test that makes some deletes them.
pub struct AwsEmulator {
    server: Server,
}

impl AwsEmulator {
    /// Starts one. It is found in the virtual environment named by `SLUICE_TEST_VENV`, else on the path.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let port = free();
        let mut command = Command::new(program("ministack"));
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("LOG_LEVEL", "ERROR");
        // Requests to its registry carry no account: they mean the default one.
        command.env("MINISTACK_ACCOUNT_ID", ACCOUNT).env("MINISTACK_REGION", REGION);
        Self { server: Server::start(&mut command, port).await }
    }

    /// Its port on loopback; its ECR answers the registry protocol there too.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// What `AWS_ENDPOINT_URL` would be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// An SDK configuration for an account: the emulator takes an access key of twelve digits as the account's id.
    pub async fn config(&self, account: &str) -> SdkConfig {
        config_of(&self.endpoint(), REGION, account).await
    }

    /// The same for [`ACCOUNT`], as the runner takes it.
    pub async fn aws(&self) -> Aws {
        Aws::from_config(self.config(ACCOUNT).await)
    }
}

/// An SDK configuration for an endpoint, a Region and an access key.
pub async fn config_of(endpoint: &str, region: &str, key: &str) -> SdkConfig {
    runner::aws::loader()
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .load()
        .await
}

/// A program of the tests' virtual environment, or of the path.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the harness is told by tests/run.sh where its programs are")]
pub fn program(name: &str) -> std::path::PathBuf {
    match std::env::var_os("SLUICE_TEST_VENV") {
        Some(venv) => std::path::Path::new(&venv).join("bin").join(name),
        None => name.into(),
    }
}
