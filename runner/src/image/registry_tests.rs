use super::*;

#[test]
fn plain_http_is_for_this_machine_only() {
    for host in ["127.0.0.1:5000", "localhost", "[::1]:5000", "127.1.2.3"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["10.0.0.1:5000", "localhost.example", "registry.example:5000", "[2001:db8::1]:5000"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn an_error_document_is_told_in_its_own_words() {
    let text = r#"{"errors":[{"code":"TAG_INVALID","message":"it is immutable"}]}"#;
    assert_eq!(said_in(text), "TAG_INVALID: it is immutable");
    assert_eq!(said_in("<html>\n…"), "<html>");
}

/// Answers each request with what `answer` makes of its head.
async fn registry(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let own = host.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let text = answer(&own, &String::from_utf8_lossy(&head).to_ascii_lowercase());
            connection.write_all(text.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    host
}

#[tokio::test]
async fn a_token_that_expires_while_a_layer_is_sent_is_asked_for_again() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let host = registry(|host, head| {
        let close = "connection: close\r\ncontent-length";
        let bearer = format!("www-authenticate: Bearer realm=\"http://{host}/token\",service=\"r\"");
        match head.split(' ').next() {
            Some("get") => format!("HTTP/1.1 200 OK\r\n{close}: 15\r\n\r\n{{\"token\":\"new\"}}"),
            Some("put") if head.contains("authorization: bearer new") => {
                format!("HTTP/1.1 201 Created\r\n{close}: 0\r\n\r\n")
            }
            _ => format!("HTTP/1.1 401 Unauthorized\r\n{bearer}\r\n{close}: 0\r\n\r\n"),
        }
    })
    .await;
    let repository = Repository::new(Client::new(), &host, "app", None).unwrap();
    *repository.authorization.lock().await = Some("Bearer old".to_owned());
    let upload = Url::parse(&format!("http://{host}/v2/app/blobs/uploads/1")).unwrap();
    repository.end(&upload, "sha256:0", Bytes::new()).await.unwrap();
}
