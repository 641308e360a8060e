//! A line to a server that a test can cut, and mend again.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running line, gone when dropped.
pub struct Line {
    /// `127.0.0.1:port`
    pub host: String,
    cut: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Line {
    /// A line to `target` (`host:port`).
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let (cut, is_cut) = watch::channel(false);
        let serving = tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(connect(caller, target.clone(), is_cut.clone()));
            }
        });
        Self { host: address.to_string(), cut, serving }
    }

    /// Cuts it, in the middle of whatever is said, or mends it.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connect(mut caller: TcpStream, target: String, mut is_cut: watch::Receiver<bool>) {
    if *is_cut.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut caller, &mut server) => {}
        _ = is_cut.wait_for(|cut| *cut) => {}
    }
}
