//! Embedded files as HTTP responses: content type, validator, how long to keep.

use std::fmt::Write;

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "web/pages"]
pub(super) struct Pages;

#[derive(Embed)]
#[folder = "web/assets"]
pub(super) struct Assets;

/// Third-party files, with their licences, so that these travel with the binary.
#[derive(Embed)]
#[folder = "web/vendor"]
pub(super) struct Vendor;

/// May be kept, but must be asked for again: the answer is mostly 304.
pub(super) const REVALIDATE: &str = "no-cache";
/// The path names the version, so the bytes behind it never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

pub(super) fn page(name: &str, request: &HeaderMap) -> Response {
    match Pages::get(name) {
        Some(file) => respond(file, REVALIDATE, request),
        None => not_found(name),
    }
}

/// `path` is what follows `/assets/`; `vendor/<name>-<version>/<file>` is a third-party file.
pub(super) fn asset(path: &str, request: &HeaderMap) -> Response {
    let found = match path.strip_prefix("vendor/") {
        Some(versioned) if versioned.contains('/') => Vendor::get(versioned).map(|file| (file, FOREVER)),
        Some(table) => Vendor::get(table).map(|file| (file, REVALIDATE)),
        None => Assets::get(path).map(|file| (file, REVALIDATE)),
    };
    match found {
        Some((file, keep)) => respond(file, keep, request),
        None => not_found(path),
    }
}

pub(super) fn sha256(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn respond(file: EmbeddedFile, keep: &'static str, request: &HeaderMap) -> Response {
    // Weak, because the compressed and the plain form share it.
    let etag = format!("W/\"{}\"", sha256(&file));
    let validators = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, keep.to_owned())];
    if is_current(request, &etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, content_type(file.metadata.mimetype()))];
    (validators, content_type, file.data).into_response()
}

/// `If-None-Match` lists validators, or is `*`.
fn is_current(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim(), known if known == etag || known == "*"))
}

fn content_type(mime: &str) -> String {
    let is_text = mime.starts_with("text/") || mime == "image/svg+xml";
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

fn not_found(name: &str) -> Response {
    let body = format!("there is no file {name} here; the pages are / and /playground\n");
    (StatusCode::NOT_FOUND, body).into_response()
}
