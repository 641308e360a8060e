//! The files that hand an image to deployments outside of us. Their forms are CodePipeline's ("Image definitions file
//! reference").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The largest `imagedefinitions.json` that CodePipeline takes, in bytes.
const LARGEST: usize = 100 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageDefinition<'a> {
    name: &'a str,
    image_uri: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDefinition {
    name: String,
    image_uri: String,
}

#[derive(Serialize)]
struct ImageDetail<'a> {
    #[serde(rename = "ImageURI")]
    image_uri: &'a str,
}

/// `imagedefinitions.json` of container names and their images: what CodePipeline's ECS action takes.
///
/// # Errors
/// A `Configuration` fault when it is larger than CodePipeline takes.
pub fn image_definitions(images: &BTreeMap<String, String>) -> Result<String, Fault> {
    let definitions: Vec<_> = images.iter().map(|(name, image_uri)| ImageDefinition { name, image_uri }).collect();
    let text = serde_json::to_string(&definitions).map_err(|error| Fault::system(error.to_string()))?;
    if text.len() > LARGEST {
        let message = format!("imagedefinitions.json has {} bytes, and CodePipeline takes {LARGEST}", text.len());
        return Err(Fault::configuration(message).hint("give each service an action of its own"));
    }
    Ok(text)
}

/// The container names and images of an `imagedefinitions.json`.
///
/// # Errors
/// A `Configuration` fault that says what is wrong with the text.
pub fn read_image_definitions(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    if text.len() > LARGEST {
        return Err(Fault::configuration(format!("{} bytes are too many: CodePipeline takes {LARGEST}", text.len())));
    }
    let written: Vec<WrittenDefinition> = serde_json::from_str(text).map_err(|error| {
        Fault::configuration(format!("no JSON array of name and imageUri: {error}"))
            .hint(r#"write [{"name": "app", "imageUri": "registry/repository@sha256:…"}]"#)
    })?;
    if written.is_empty() {
        return Err(Fault::configuration("it names no container"));
    }
    Ok(written.into_iter().map(|one| (one.name, one.image_uri)).collect())
}

/// `imageDetail.json` of an image: what CodePipeline's CodeDeployToECS action takes.
///
/// # Errors
/// None that is known; text can always be written.
pub fn image_detail(uri: &str) -> Result<String, Fault> {
    serde_json::to_string(&ImageDetail { image_uri: uri }).map_err(|error| Fault::system(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_have_the_form_that_codepipeline_reads() {
        let uri = "111111111111.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:0a";
        let images = BTreeMap::from([("app".to_owned(), uri.to_owned()), ("log".to_owned(), "logger:1".to_owned())]);
        let expected = format!(r#"[{{"name":"app","imageUri":"{uri}"}},{{"name":"log","imageUri":"logger:1"}}]"#);
        assert_eq!(image_definitions(&images).unwrap(), expected);
        assert_eq!(read_image_definitions(&expected).unwrap(), images);
        assert_eq!(image_detail(uri).unwrap(), format!(r#"{{"ImageURI":"{uri}"}}"#));
    }

    #[test]
    fn a_file_that_codepipeline_would_refuse_is_not_written() {
        let images = (0..1000).map(|number| (format!("container-{number}"), "x".repeat(100))).collect();
        let fault = image_definitions(&images).unwrap_err();
        assert!(fault.message.ends_with("and CodePipeline takes 102400"), "{fault}");
    }
}
