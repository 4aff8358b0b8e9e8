//! Byte ranges over HTTP, as readers of a store ask for them.

use std::fmt::Display;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, http::Response};

/// A data node that is silent for so long is taken for dead.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the error says where the server, or the way there, is at fault rather than what it serves.
pub const NO_ANSWER: &str = "no answer from";

/// Keeps connections open between requests.
#[derive(Debug)]
pub struct Client(Agent);

impl Client {
    /// A client that trusts whom the system trusts.
    pub fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .build();
        Self(config.into())
    }

    /// `length` bytes from `offset` on; anything but exactly these is an error.
    pub fn range(&self, url: &str, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        let Some(last) = length.checked_sub(1).and_then(|more| offset.checked_add(more)) else {
            return Ok(Vec::new());
        };
        let range = format!("bytes={offset}-{last}");
        let answer = self.0.get(url).header("Range", &range).call();
        let answer = answer.map_err(|error| no_answer(url, &error))?;
        if answer.status() != 206 {
            return Err(format!("{url}: the answer to `Range: {range}` is {}", answer.status()));
        }
        let given = answer.headers().get("Content-Range").and_then(|given| given.to_str().ok());
        let given = given.unwrap_or("absent").to_owned();
        if !given.starts_with(&format!("bytes {offset}-{last}/")) {
            return Err(format!("{url}: the answer to `Range: {range}` has Content-Range {given}"));
        }
        let bytes = body(url, answer, length)?;
        match bytes.len() as u64 {
            found if found == length => Ok(bytes),
            found => Err(format!("{url}: {length} bytes were asked for, {found} came")),
        }
    }

    /// All of a file of at most `most` bytes.
    pub fn whole(&self, url: &str, most: u64) -> Result<Vec<u8>, String> {
        let answer = self.0.get(url).call().map_err(|error| no_answer(url, &error))?;
        match answer.status().as_u16() {
            200 => body(url, answer, most),
            status => Err(format!("{url}: the answer is {status}")),
        }
    }
}

/// The body, or as much of it as shows that it is longer than `most`.
fn body(url: &str, answer: Response<Body>, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let reader = answer.into_body().into_reader();
    let read = reader.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| no_answer(url, &error))
}

fn no_answer(url: &str, error: &dyn Display) -> String {
    format!("{NO_ANSWER} {url}: {error}")
}
