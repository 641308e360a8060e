//! What EC2 announces about the machine that this process runs on, by the instance metadata service.

use aws_config::SdkConfig;
use aws_config::imds::Client;
use aws_config::imds::client::error::ImdsError;
use aws_config::provider_config::ProviderConfig;

/// There while a spot instance is about to be stopped or ended, two minutes ahead (EC2 user guide, "Spot Instance
/// interruption notices").
const SPOT: &str = "/latest/meta-data/spot/instance-action";
/// What an Auto Scaling group is about to do with the machine (Auto Scaling user guide, "Retrieve the target lifecycle
/// state through instance metadata").
const LIFECYCLE: &str = "/latest/meta-data/autoscaling/target-lifecycle-state";
/// What it says of one that is to go.
const LEAVING: &str = "Terminated";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing is announced.
    None,
    /// The machine goes away, and why.
    Leaving(&'static str),
    /// There is no such service here.
    NoService,
}

/// Looks for notices.
pub struct Notices(Client);

impl Notices {
    /// With the HTTP client of a configuration. Where the service is, and which, is told by the environment, as to every
    /// AWS tool (`AWS_EC2_METADATA_SERVICE_ENDPOINT`).
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let mut settings = ProviderConfig::default();
        if let Some(client) = config.http_client() {
            settings = settings.with_http_client(client);
        }
        Self(Client::builder().configure(&settings).max_attempts(1).build())
    }

    /// One look.
    pub async fn look(&self) -> Notice {
        match self.0.get(SPOT).await {
            Ok(_) => return Notice::Leaving("EC2 wants this spot instance back"),
            Err(ImdsError::FailedToLoadToken(_)) => return Notice::NoService,
            Err(_) => {}
        }
        match self.0.get(LIFECYCLE).await {
            Ok(state) if state.as_ref().trim() == LEAVING => {
                Notice::Leaving("the Auto Scaling group ends this machine")
            }
            _ => Notice::None,
        }
    }
}
