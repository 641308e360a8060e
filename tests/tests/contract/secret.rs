//! Contract suite: secret. One suite on the fake and on an emulator of Parameter Store and Secrets Manager.

use std::sync::Arc;

use pipeline_spec::plan::SecretReference;
use runner::fault::{Fault, FaultKind};
use runner::secret::{AwsSecrets, MemorySecrets, SecretName, Secrets};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};

const DATABASE: &str = r#"{"user":"admin","password":"s3cr3t-new","port":5432}"#;
const DATABASE_BEFORE: &str = r#"{"user":"admin","password":"s3cr3t-old"}"#;
const FIRST: &str = "11111111-1111-1111-1111-111111111111";
const SECOND: &str = "22222222-2222-2222-2222-222222222222";

/// A store, and the id of the first version of the secret `db`; the second one's is [`SECOND`].
struct Known<'a> {
    secrets: &'a dyn Secrets,
    first: &'a str,
}

/// The same parameters and secrets, in memory.
fn fake() -> Arc<dyn Secrets> {
    let mut secrets = MemorySecrets::new()
        .parameter("/team/token", "t0k3n-one")
        .label("/team/token", "blue")
        .parameter("/team/token", "t0k3n-two")
        .parameter("plain", "pl41n")
        .secret("db", FIRST, Some(DATABASE_BEFORE))
        .secret("db", SECOND, Some(DATABASE))
        .secret("text", FIRST, Some("n0t-json"))
        .secret("binary", FIRST, None);
    for number in 0..12 {
        secrets = secrets.parameter(&format!("/many/{number}"), &number.to_string());
    }
    Arc::new(secrets)
}

/// An emulator with parameters and secrets.
struct Store {
    emulator: AwsEmulator,
    secrets: Arc<dyn Secrets>,
    first: String,
}

impl Store {
    async fn start() -> Self {
        let emulator = AwsEmulator::start().await;
        let config = emulator.config(ACCOUNT).await;
        fill_parameters(&aws_sdk_ssm::Client::new(&config)).await;
        let first = fill_secrets(&aws_sdk_secretsmanager::Client::new(&config)).await;
        let secrets = Arc::new(AwsSecrets::new(emulator.aws().await, None, None));
        Self { emulator, secrets, first }
    }
}

async fn fill_parameters(ssm: &aws_sdk_ssm::Client) {
    use aws_sdk_ssm::types::ParameterType::{SecureString, String as Text};
    let mut all = vec![("plain".to_owned(), "pl41n".to_owned(), Text)];
    all.extend(["t0k3n-one", "t0k3n-two"].map(|value| ("/team/token".to_owned(), value.to_owned(), SecureString)));
    all.extend((0..12).map(|number| (format!("/many/{number}"), number.to_string(), Text)));
    for (name, value, kind) in all {
        ssm.put_parameter().name(name).value(value).r#type(kind).overwrite(true).send().await.unwrap();
    }
    let label = ssm.label_parameter_version().name("/team/token").parameter_version(1).labels("blue");
    label.send().await.unwrap();
}

async fn fill_secrets(manager: &aws_sdk_secretsmanager::Client) -> String {
    let made = manager.create_secret().name("db").secret_string(DATABASE_BEFORE).send().await.unwrap();
    let put = manager.put_secret_value().secret_id("db").client_request_token(SECOND);
    put.secret_string(DATABASE).send().await.unwrap();
    manager.create_secret().name("text").secret_string("n0t-json").send().await.unwrap();
    let bytes = aws_sdk_secretsmanager::primitives::Blob::new([0, 159, 146, 150]);
    manager.create_secret().name("binary").secret_binary(bytes).send().await.unwrap();
    made.version_id.unwrap()
}

fn parameter(name: &str) -> SecretName {
    SecretName::Parameter(name.to_owned())
}

/// `secret-id:json-key:version-stage:version-id`
fn secret(text: &str) -> SecretName {
    let mut parts = text.split(':').map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
    let mut next = || parts.next().flatten();
    let (secret_id, json_key, version_stage, version_id) = (next().unwrap(), next(), next(), next());
    SecretName::Secret(SecretReference { secret_id, json_key, version_stage, version_id })
}

async fn values(secrets: &dyn Secrets, names: &[SecretName]) -> Vec<String> {
    let values = secrets.values(names).await.unwrap_or_else(|fault| panic!("{fault}"));
    values.iter().map(|value| value.text.expose().to_owned()).collect()
}

async fn refused(secrets: &dyn Secrets, name: SecretName) -> Fault {
    secrets.values(&[name]).await.err().expect("a fault")
}

async fn every_form_of_a_parameter_is_read(Known { secrets, .. }: Known<'_>) {
    let names = ["/team/token", "/team/token:1", "/team/token:blue", "plain", "/team/token:2"].map(parameter);
    assert_eq!(values(secrets, &names).await, ["t0k3n-two", "t0k3n-one", "t0k3n-one", "pl41n", "t0k3n-two"]);
}

async fn more_names_than_a_call_takes_come_back_in_their_order(Known { secrets, .. }: Known<'_>) {
    let numbers: Vec<String> = (0..12).rev().chain([5]).map(|number: u32| number.to_string()).collect();
    let names: Vec<SecretName> = numbers.iter().map(|number| parameter(&format!("/many/{number}"))).collect();
    assert_eq!(values(secrets, &names).await, numbers);
}

async fn every_form_of_a_secret_is_read(Known { secrets, first }: Known<'_>) {
    let names = [
        secret("db"),
        parameter("plain"),
        secret("db:password"),
        secret("db:port"),
        secret("db:password:AWSPREVIOUS"),
        secret(&format!("db:password::{first}")),
        secret(&format!("db:password::{SECOND}")),
        secret("db::AWSPREVIOUS"),
        secret("text"),
    ];
    let expected = [
        DATABASE,
        "pl41n",
        "s3cr3t-new",
        "5432",
        "s3cr3t-old",
        "s3cr3t-old",
        "s3cr3t-new",
        DATABASE_BEFORE,
        "n0t-json",
    ];
    assert_eq!(values(secrets, &names).await, expected);
    assert_eq!(values(secrets, &[]).await, [""; 0]);
}

async fn an_exact_name_names_what_was_read(Known { secrets, first }: Known<'_>) {
    let names = [
        parameter("/team/token"),
        parameter("/team/token:blue"),
        secret("db:password"),
        secret("db:password:AWSPREVIOUS"),
        secret(&format!("db:::{first}")),
    ];
    let read = secrets.values(&names).await.unwrap_or_else(|fault| panic!("{fault}"));
    let exact: Vec<SecretName> = read.iter().map(|secret| secret.exact.clone()).collect();
    let expected = [
        parameter("/team/token:2"),
        parameter("/team/token:1"),
        secret(&format!("db:password::{SECOND}")),
        secret(&format!("db:password::{first}")),
        secret(&format!("db:::{first}")),
    ];
    assert_eq!(exact, expected);
    let texts: Vec<&str> = read.iter().map(|secret| secret.text.expose()).collect();
    assert_eq!(values(secrets, &exact).await, texts);
}

async fn what_cannot_be_had_is_named_and_no_value_is_told(Known { secrets, .. }: Known<'_>) {
    for (name, message) in [
        (parameter("/team/tokens"), "Parameter does not exist: /team/tokens"),
        (parameter("/team/token:9"), "Parameter does not exist: /team/token:9"),
        (parameter("/team/token:green"), "Parameter does not exist: /team/token:green"),
        (secret("dba"), "secret does not exist: dba"),
        (secret("db::NEXT"), "secret does not exist: db in the version `NEXT`"),
        (secret("db:pass"), "the secret db has no key `pass`"),
        (secret("text:key"), "the secret text is no JSON object, so it has no key `key`"),
        (secret("binary"), "the secret binary is binary, and a variable is text"),
    ] {
        let fault = refused(secrets, name).await;
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Configuration, message));
        let all = format!("{fault:?}");
        for value in ["s3cr3t", "t0k3n", "n0t-json", "pl41n"] {
            assert!(!all.contains(value), "{all}");
        }
    }
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod on_the_fake {
            $(#[tokio::test] async fn $case() { super::$case(super::Known { secrets: &*super::fake(), first: super::FIRST }).await; })*
        }

        /// One emulator for all, because reading changes nothing.
        #[tokio::test]
        async fn on_the_emulator_every_form_is_read_and_what_is_missing_is_named() {
            let store = Store::start().await;
            $($case(Known { secrets: &*store.secrets, first: &store.first }).await;)*
        }
    };
}

suite!(
    every_form_of_a_parameter_is_read,
    more_names_than_a_call_takes_come_back_in_their_order,
    every_form_of_a_secret_is_read,
    an_exact_name_names_what_was_read,
    what_cannot_be_had_is_named_and_no_value_is_told,
);

#[tokio::test]
async fn names_may_be_arns_and_a_role_reads_in_its_own_account() {
    let store = Store::start().await;
    let manager = aws_sdk_secretsmanager::Client::new(&store.emulator.config(ACCOUNT).await);
    let arn = manager.describe_secret().secret_id("db").send().await.unwrap().arn.unwrap();
    assert!(arn.starts_with(&format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:db")), "{arn}");
    let reference = |json_key: Option<&str>| {
        let (secret_id, json_key) = (arn.clone(), json_key.map(str::to_owned));
        SecretName::Secret(SecretReference { secret_id, json_key, version_stage: None, version_id: None })
    };
    let parameters = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter");
    let names = [
        reference(None),
        reference(Some("user")),
        parameter(&format!("{parameters}/team/token")),
        parameter(&format!("{parameters}/team/token:1")),
        parameter(&format!("{parameters}/plain")),
    ];
    assert_eq!(values(&*store.secrets, &names).await, [DATABASE, "admin", "t0k3n-two", "t0k3n-one", "pl41n"]);

    // From elsewhere: the ARN says in which Region, and another account sees nothing under the same name.
    let elsewhere = AwsSecrets::new(store.emulator.aws().await, None, Some("us-east-1".to_owned()));
    assert_eq!(values(&elsewhere, &[reference(Some("user"))]).await, ["admin"]);
    let role = Some("arn:aws:iam::333333333333:role/sluice-build".to_owned());
    let other = AwsSecrets::new(store.emulator.aws().await, role, None);
    assert_eq!(refused(&other, parameter("plain")).await.message, "Parameter does not exist: plain");
}
