//! Sends the logs of a journal to an AWS endpoint until it is killed: `ship ENDPOINT REGION ACCOUNT FOLDER`. For the
//! test that kills it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use runner::aws::Aws;
use runner::bucket::{Access, S3};
use runner::fault::Fault;
use runner::logs::{CloudWatchConfig, CloudWatchLogs, Shipping, ShippingConfig};

/// A configuration that stays as it is.
struct Own(Aws);

#[async_trait]
impl Access for Own {
    async fn config(&self) -> Result<aws_types::SdkConfig, Fault> {
        self.0.config(None, None).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, region, account, folder] = arguments.as_slice() else {
        return Err("usage: ship ENDPOINT REGION ACCOUNT FOLDER".into());
    };
    let loader = runner::aws::loader().endpoint_url(endpoint).region(aws_config::Region::new(region.clone()));
    let aws = Aws::from_config(
        loader.credentials_provider(Credentials::new(account, "secret", None, None, "test")).load().await,
    );
    let service = Arc::new(CloudWatchLogs::new(aws.clone(), CloudWatchConfig::default()));
    let buckets = Arc::new(S3::new(Arc::new(Own(aws))));
    let look = Duration::from_millis(20);
    let config = ShippingConfig { look, first_pause: look, ..ShippingConfig::at(folder.into()) };
    Shipping::new(config, service, buckets).carry_on().await;
    Ok(())
}
