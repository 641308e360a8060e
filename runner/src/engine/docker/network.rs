//! Networks for builds with services: a small subnet each, out of a range of our own, because the engine's own pool
//! holds only about thirty.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use bollard::Docker;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::super::SandboxKey;
use super::errors::{Trouble, trouble};
use super::{DockerEngine, clean, container};
use crate::fault::Fault;

/// Thirteen containers a network.
const PREFIX: u32 = 28;
/// How many subnets are tried before we give up.
const TRIES: u32 = 64;

/// The sandbox's network, made if it is not there. Returns its name.
pub(super) async fn ensure(engine: &DockerEngine, client: &Docker, key: &SandboxKey) -> Result<String, Fault> {
    let name = container::name(key);
    // The engine would make a second network of the same name, so it is asked first.
    let options = ListNetworksOptionsBuilder::default().filters(&clean::filters(&key.run, Some(&key.name))).build();
    let present = client.list_networks(Some(options)).await;
    let present = present.map_err(|error| engine.fault("listing networks", &error))?;
    if present.iter().any(|network| network.name.as_ref() == Some(&name)) {
        return Ok(name);
    }
    let range = Range::parse(&engine.config.subnets)?;
    for subnet in range.subnets(&name) {
        match client.create_network(request(&name, key, subnet)).await {
            Ok(_) => return Ok(name),
            Err(error) if trouble(&error) == Trouble::Overlap => {}
            Err(error) => return Err(engine.fault(&format!("creating the network {name}"), &error)),
        }
    }
    Err(Fault::system(format!("no free subnet for the network {name} in {}", engine.config.subnets))
        .hint("remove unused networks (`docker network ls`), or set another range"))
}

fn request(name: &str, key: &SandboxKey, subnet: String) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig { subnet: Some(subnet), ..IpamConfig::default() }]),
            ..Ipam::default()
        }),
        labels: Some(container::labels(key, "network")),
        ..NetworkCreateRequest::default()
    }
}

/// A range of addresses that is cut into subnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

impl Range {
    fn parse(text: &str) -> Result<Self, Fault> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let (address, prefix): (Ipv4Addr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
            (8..=PREFIX).contains(&prefix).then(|| {
                let count = 1 << (PREFIX - prefix);
                Self { first: u32::from(address) & (u32::MAX << (32 - prefix)), count }
            })
        });
        parsed
            .ok_or_else(|| Fault::configuration(format!("{text} is no range of subnets")).hint("such as 10.213.0.0/16"))
    }

    /// Subnets to try, from a place that the name decides, so that several runners on one engine seldom meet.
    fn subnets(self, name: &str) -> impl Iterator<Item = String> + use<> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let start = u32::try_from(hasher.finish() % u64::from(self.count)).unwrap_or_default();
        (0..self.count.min(TRIES)).map(move |offset| {
            let index = (start + offset) % self.count;
            format!("{}/{PREFIX}", Ipv4Addr::from(self.first + (index << (32 - PREFIX))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_small_subnets_without_repeats() {
        let range = Range::parse("10.213.7.9/24").unwrap();
        let mut subnets: Vec<String> = range.subnets("x").collect();
        subnets.sort();
        subnets.dedup();
        assert_eq!(subnets.len(), 16);
        assert!(subnets.contains(&"10.213.7.240/28".to_owned()), "{subnets:?}");
        assert!(["10.0.0.0", "10.0.0.0/30", "x/16", "10.0.0.0/4"].iter().all(|text| Range::parse(text).is_err()));
    }
}
