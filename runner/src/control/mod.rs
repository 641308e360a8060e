//! How a worker is looked at and spoken to: over a socket in its state directory, and on a TCP address for those who
//! only look. This module knows what a worker shows of itself, and nothing of what it does.

mod client;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;

use crate::clock;
use crate::worker::{Mode, Sight, Standing};

pub use client::ask;

/// A worker whose queue has not answered for so long is not well.
const SILENT: SignedDuration = SignedDuration::from_mins(10);

/// Where to look: `/healthz`, `/metrics`, `/status`.
pub fn view(standing: Arc<Standing>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(measures))
        .route("/status", get(status))
        .with_state(standing)
}

/// Where to look and to speak: also `/pause`, `/resume`, `/drain`.
pub fn control(standing: Arc<Standing>) -> Router {
    let orders = Router::new()
        .route("/pause", post(async |State(standing): State<Arc<Standing>>| set(&standing, Mode::Paused)))
        .route("/resume", post(async |State(standing): State<Arc<Standing>>| set(&standing, Mode::Working)))
        .route("/drain", post(async |State(standing): State<Arc<Standing>>| set(&standing, Mode::Draining)))
        .with_state(Arc::clone(&standing));
    view(standing).merge(orders)
}

/// Why a worker is not well; `None` when it is.
#[must_use]
pub fn ailment(sight: &Sight) -> Option<String> {
    if let (Mode::Working, Some(why)) = (sight.mode, &sight.cannot_claim) {
        return Some(why.clone());
    }
    let silent = sight.polled.is_some_and(|polled| clock::now().duration_since(polled) > SILENT);
    let waits = sight.mode == Mode::Working && sight.seats_taken < sight.seats;
    (silent && waits).then(|| format!("the queue has not answered for {} minutes", SILENT.as_mins()))
}

/// How often systemd's watchdog is told that all is well, for a watchdog that waits so long.
#[must_use]
pub fn watchdog_period(timeout: Duration) -> Duration {
    timeout / 3
}

async fn health(State(standing): State<Arc<Standing>>) -> Response {
    match ailment(&standing.sight()) {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn measures(State(standing): State<Arc<Standing>>) -> Response {
    match metrics::text(standing.sight()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(standing): State<Arc<Standing>>) -> Json<Sight> {
    Json(standing.sight())
}

fn set(standing: &Standing, mode: Mode) -> Json<Sight> {
    standing.set(mode);
    Json(standing.sight())
}
