//! Action types and pipelines that CodePipeline does not take.

use std::panic::AssertUnwindSafe;

use serde_json::json;

use super::*;

/// What a request through the handle is refused with.
fn refused(request: impl FnOnce()) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::panic::catch_unwind(AssertUnwindSafe(request));
    std::panic::set_hook(hook);
    let text = caught.expect_err("a refusal");
    text.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_action_type_keeps_the_rules() {
    let stand = Stand::open().await;
    let build = || ActionTypeSpec::new("Build", "Other");
    let property = |name: &str, required: bool, secret: bool, queryable: bool| json!({ "name": name, "required": required, "key": false, "secret": secret, "queryable": queryable });
    let eleven = (0..11).fold(build(), |spec, number| spec.property(&format!("P{number}")));
    for (spec, expected) in [
        (ActionTypeSpec::new("Approval", "Other"), "of category Approval cannot be created"),
        (build().queryable("A").queryable("B"), "Only one configuration property can be queryable"),
        (build().with(property("A", false, false, true)), "must be required and must not be secret"),
        (build().with(property("A", true, true, true)), "must be required and must not be secret"),
        (build().property("A").property("A"), "declared twice"),
        (build().property(""), "length greater than or equal to 1"),
        (eleven, "length less than or equal to 10"),
        (ActionTypeSpec::new("Build", "Sluice"), "Build/Custom/Sluice/1 already exists"),
    ] {
        let said = refused(|| stand.service.action_type(spec));
        assert!(said.contains("ValidationException") && said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn the_version_of_a_deleted_action_type_comes_back_only_as_it_was() {
    let stand = Stand::open().await;
    let spec = || ActionTypeSpec::new("Test", "Sluice").property("A");
    stand.service.action_type(spec());
    let deleted = stand.client.delete_custom_action_type().category(ActionCategory::Test).provider("Sluice");
    deleted.version("1").send().await.unwrap();
    let said = refused(|| stand.service.action_type(spec().property("B")));
    assert!(said.contains("Version 1 of a deleted action type cannot be used again"), "{said}");
    stand.service.action_type(spec());
    let types = stand.client.list_action_types().action_owner_filter(ActionOwner::Custom).send().await.unwrap();
    assert_eq!(types.action_types().len(), 2);
}

#[tokio::test]
async fn a_pipeline_keeps_the_rules() {
    let stand = Stand::open().await;
    let source = || ActionSpec::source("s", "S");
    let build = || ActionSpec::custom("b", "Build", "Sluice").config("Pool", "linux");
    let pipeline =
        |actions: Vec<ActionSpec>| PipelineSpec::new("p").stage("Source", [source()]).stage("Build", actions);
    let action = "InvalidActionDeclarationException";
    let structure = "InvalidStructureException";
    for (spec, code, expected) in [
        (PipelineSpec::new("app").stage("A", [source()]).stage("B", [build()]), "PipelineNameInUseException", "app"),
        (PipelineSpec::new("p").stage("Source", [source()]), structure, "at least two stages"),
        (PipelineSpec::new("p").stage("A", [build()]).stage("B", [build()]), structure, "first stage"),
        (pipeline(vec![source()]), structure, "first stage"),
        (pipeline(vec![]), "InvalidStageDeclarationException", "Stage Build has no actions"),
        (pipeline(vec![build()]).stage("Build", [build()]), "InvalidStageDeclarationException", "used twice"),
        (pipeline(vec![build(), build()]), action, "name of two actions"),
        (pipeline(vec![build().input("T")]), action, "which no earlier action puts out"),
        (pipeline(vec![build().output("S")]), action, "output artifact S of another action"),
        (
            pipeline(vec![ActionSpec::custom("b", "Build", "Sluice")]),
            action,
            "lacks the required configuration key 'Pool'",
        ),
        (pipeline(vec![build().config("Pool", "a b")]), action, "value of 'Pool' that does not fit"),
        (pipeline(vec![build().config("Pool", &"x".repeat(21))]), action, "value of 'Pool' that does not fit"),
        (pipeline(vec![build().config("Other", "1")]), action, "unknown configuration key 'Other'"),
        (
            pipeline(vec![build().config("Note", &"x".repeat(1001))]),
            "ValidationException",
            "less than or equal to 1000",
        ),
        (pipeline(vec![ActionSpec::custom("b", "Test", "Sluice")]), action, "Test/Custom/Sluice/1"),
        (pipeline((0..6).fold(vec![build()], |_, _| vec![six(build())])), action, "wrong number of input or output"),
    ] {
        let said = refused(|| stand.service.pipeline(spec));
        assert!(said.contains(code) && said.contains(expected), "{said}");
    }
}

fn six(action: ActionSpec) -> ActionSpec {
    (0..6).fold(action, |action, number| action.output(&format!("O{number}")))
}

#[tokio::test]
async fn an_update_is_a_new_version_and_a_hidden_secret_stays_what_it_was() {
    let stand = Stand::open().await;
    let got = stand.client.get_pipeline().name("app").send().await.unwrap();
    let updated = stand.client.update_pipeline().pipeline(got.pipeline.unwrap()).send().await.unwrap();
    assert_eq!(updated.pipeline().unwrap().version(), Some(2));
    stand.start().await;
    let job = stand.claimed().await;
    assert_eq!(job.data().unwrap().action_configuration().unwrap().configuration().unwrap()["Token"], "hunter2");
    stand.client.get_pipeline().name("app").version(1).send().await.unwrap();
    let missing = refusal(stand.client.get_pipeline().name("app").version(3).send().await);
    assert!(missing.starts_with("PipelineVersionNotFoundException: "), "{missing}");
}

#[tokio::test]
async fn tags_of_a_pipeline_are_kept_and_pages_follow_each_other() {
    let stand = Stand::open().await;
    let arn = "arn:aws:codepipeline:eu-west-1:111111111111:app";
    let tag = |key: &str| aws_sdk_codepipeline::types::Tag::builder().key(key).value("x").build().unwrap();
    stand.client.tag_resource().resource_arn(arn).tags(tag("a")).tags(tag("b")).tags(tag("c")).send().await.unwrap();
    stand.client.untag_resource().resource_arn(arn).tag_keys("b").send().await.unwrap();
    let page = |token: Option<String>| {
        let page = stand.client.list_tags_for_resource().resource_arn(arn).max_results(1);
        page.set_next_token(token).send()
    };
    let first = page(None).await.unwrap();
    assert_eq!(first.tags()[0].key(), "a");
    let second = page(first.next_token).await.unwrap();
    assert_eq!((second.tags()[0].key(), second.next_token()), ("c", None));
    assert!(refusal(page(Some("x".to_owned())).await).starts_with("InvalidNextTokenException: "));
    let nowhere = stand.client.list_tags_for_resource().resource_arn(format!("{arn}x")).send().await;
    assert!(refusal(nowhere).starts_with("ResourceNotFoundException: "));
}
