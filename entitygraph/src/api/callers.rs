//! Who may call: programs, and the pages that this server itself sent.
//!
//! Nobody has to say who they are yet, so that the server only listens on this machine is the protection. A browser would
//! undo it: a page of any site may open a WebSocket to any address, and a site may point a name of its own at this machine.
//! Both are told by headers that a page cannot set: `Origin` is where the page is from, `Host` what it calls us.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Api, error::Rejection};

/// Refuses requests of foreign pages and to foreign names, whatever they ask for.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    match refused(request.uri(), request.headers(), &api.graph().config().server.hosts) {
        Some(rejection) => {
            // Not louder: a page can repeat it at will.
            tracing::debug!(code = rejection.code(), reason = %rejection, "a request was refused");
            rejection.into_response()
        }
        None => next.run(request).await,
    }
}

fn refused(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Option<Rejection> {
    // HTTP/2 has it in the URI. Without either no browser asks.
    let host = headers.get(header::HOST).map(|host| text(host.as_bytes()));
    let host = host.or_else(|| uri.authority().map(|host| text(host.as_str().as_bytes())));
    if let Some(host) = &host
        && !is_own(host, hosts)
    {
        return Some(Rejection::Host { found: host.clone() });
    }
    // A page of another site may have its browser ask without an origin, for a picture or a link: pages may be linked to, data not.
    let site = headers.get("sec-fetch-site").map(|site| text(site.as_bytes()));
    if let Some(site) =
        site.filter(|site| uri.path().starts_with("/graphql") && site != "same-origin" && site != "none")
    {
        return Some(Rejection::Origin {
            found: format!("another site ({site})"),
            host: host.unwrap_or_default(),
        });
    }
    let host = host.unwrap_or_default();
    let mut origins = headers.get_all(header::ORIGIN).iter().map(|origin| text(origin.as_bytes()));
    origins.find(|origin| !is_page_of(origin, &host)).map(|found| Rejection::Origin { found, host })
}

fn text(header: &[u8]) -> String {
    String::from_utf8_lossy(header).chars().take(200).collect()
}

/// Whether a `Host` is this machine, or a name from the settings.
fn is_own(host: &str, hosts: &[String]) -> bool {
    let Ok(host) = host.parse::<Authority>() else { return false };
    let host = host.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_loopback())
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|own| host.eq_ignore_ascii_case(own))
}

/// Whether an `Origin` is a page that was called with this `Host`: `null`, files and other schemes are none.
fn is_page_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}
