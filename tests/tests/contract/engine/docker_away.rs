//! An engine that goes away and comes back while builds run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner::engine::docker::{DockerConfig, DockerEngine, NoLogins};
use runner::engine::{Ending, Engine, Stop, What};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::bench::{Bench, Follower, HANGS, program, section};

/// The engine's socket under another name, which can be taken away without touching the engine.
struct Door {
    path: PathBuf,
    open: Option<JoinHandle<()>>,
}

impl Door {
    fn open(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let open = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { path: path.to_owned(), open: Some(open) }
    }

    /// Breaks all connections, and lets nobody in.
    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
        std::fs::remove_file(&self.path).unwrap();
    }
}

#[tokio::test]
async fn a_follower_outlives_an_engine_that_is_away_for_a_while() {
    let bench = Bench::in_docker().await;
    let path = bench.folder().join("engine.sock");
    let mut door = Door::open(&path);
    let config = DockerConfig { host: format!("unix://{}", path.display()), ..DockerConfig::default() };
    let engine: Arc<dyn Engine> = Arc::new(DockerEngine::new(config, Arc::new(NoLogins)));
    let texts = ["echo one", "while [ ! -e /tmp/go ]; do sleep 0.05; done", HANGS];
    let spec = bench.spec("a", program(vec![section(&texts)]));
    drop(bench.start_and_follow(&spec).await);
    let mut follower = Follower::of(engine, &spec);
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    door.close().await;
    // The build goes on meanwhile, and is heard of: its records do not come through the engine.
    bench.exec(&spec, ": >/tmp/go").await;
    follower.until(|what| matches!(what, What::StepStarted { step: 2, .. })).await;
    let _door = Door::open(&path);
    bench.engine().stop(&spec.key, Stop::Destroy).await.unwrap();
    let ending = follower.end().await;
    assert!(matches!(ending, Ending::Died { status: 137, .. }), "{ending:?}");
    bench.finish().await;
}
