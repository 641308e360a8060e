//! Pushes an image of the engine to a registry, as the runner does: `push IMAGE-ID HOST REPOSITORY TAG CACHE-FOLDER`.
//! For the benchmark; prints the digest and the bytes that were sent.

use std::io::Write as _;

use runner::image::{EngineAddress, ImageBuilder, ImageOrder, ImageOutcome};
use runner::progress::Progress;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, host, repository, tag, cache] = arguments.as_slice() else {
        return Err("usage: push IMAGE-ID HOST REPOSITORY TAG CACHE-FOLDER".into());
    };
    let docker = bollard::Docker::connect_with_unix_defaults()?;
    let engine = EngineAddress::Unix("/var/run/docker.sock".into());
    let aws = runner::aws::Aws::from_config(aws_types::SdkConfig::builder().build());
    let builder = ImageBuilder::new(docker, engine, aws, cache.into(), None)?;
    let order = ImageOrder {
        context: ".".into(),
        dockerfile: "Dockerfile".to_owned(),
        target: None,
        build_args: [].into(),
        secrets: [].into(),
        labels: [].into(),
        platform: None,
        registry: Some(host.clone()),
        repository: repository.clone(),
        tags: vec![tag.clone()],
        create_repository: false,
        scan: None,
        role: None,
        region: None,
    };
    match builder.push(&order, image, &Progress::silent()).await? {
        ImageOutcome::Pushed(pushed) => writeln!(std::io::stdout(), "{} {}", pushed.digest, pushed.pushed_bytes)?,
        ImageOutcome::Failed(text) => return Err(text.into()),
    }
    Ok(())
}
