//! The pages as a browser gets them, without a browser; `tests/browser` has the other half.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use tower::ServiceExt;

use super::{
    assets::{Assets, Pages, Vendor, sha256},
    examples, routes,
};

async fn get(path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let router: Router = routes();
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

fn value(response: &Response<Body>, name: header::HeaderName) -> &str {
    response.headers().get(&name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// Each `"/assets/..."` that `page` names.
fn assets_named_by(page: &str) -> Vec<&str> {
    page.split('"').filter(|part| part.starts_with("/assets/")).collect()
}

/// Our own files, not the vendored ones: name and text.
fn own_files() -> Vec<(String, String)> {
    let pages = Pages::iter().map(|name| (name.to_string(), Pages::get(&name)));
    let assets = Assets::iter().map(|name| (name.to_string(), Assets::get(&name)));
    let files = pages.chain(assets);
    files.map(|(name, file)| (name, String::from_utf8(file.unwrap().data.into_owned()).unwrap())).collect()
}

#[tokio::test]
async fn both_pages_and_everything_they_name_are_there() {
    for path in ["/", "/playground"] {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
        let page = text(response).await;
        let assets = assets_named_by(&page);
        assert!(assets.len() >= 3, "{path} names too few files: {assets:?}");
        for asset in assets {
            assert_eq!(get(asset, &[]).await.status(), StatusCode::OK, "{path} names {asset}");
        }
    }
}

#[tokio::test]
async fn scripts_styles_and_pictures_have_their_content_types() {
    let types = [
        ("/assets/playground.js", "text/javascript; charset=utf-8"),
        ("/assets/playground.css", "text/css; charset=utf-8"),
        ("/assets/favicon.svg", "image/svg+xml; charset=utf-8"),
        ("/assets/examples.json", "application/json"),
    ];
    for (path, expected) in types {
        assert_eq!(value(&get(path, &[]).await, header::CONTENT_TYPE), expected, "{path}");
    }
}

#[test]
fn no_own_file_names_an_outside_address() {
    for (name, text) in own_files() {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for scheme in ["http://", "https://", "\"//"] {
            assert!(!text.contains(scheme), "{name} contains {scheme}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_content_security_policy() {
    for path in ["/", "/playground", "/assets/playground.js", "/assets/examples.json", "/assets/missing"] {
        let response = get(path, &[]).await;
        let policy = value(&response, header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(value(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
}

#[tokio::test]
async fn a_known_validator_gets_304_and_a_stale_one_the_file() {
    let first = get("/assets/playground.js", &[]).await;
    assert_eq!(value(&first, header::CACHE_CONTROL), "no-cache");
    let etag = value(&first, header::ETAG).to_owned();

    let listed = format!("W/\"older\", {etag}");
    let again = get("/assets/playground.js", &[(header::IF_NONE_MATCH, &listed)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(value(&again, header::ETAG), etag);
    assert_eq!(text(again).await, "");

    let stale = get("/assets/playground.js", &[(header::IF_NONE_MATCH, "W/\"older\"")]).await;
    assert_eq!(stale.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_vendored_file_is_kept_for_a_year_and_sent_compressed() {
    let page = text(get("/playground", &[]).await).await;
    let script = assets_named_by(&page).into_iter().find(|path| path.ends_with("graphiql.min.js")).unwrap();
    let response = get(script, &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(value(&response, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    assert_eq!(value(&response, header::CONTENT_ENCODING), "gzip");
    let sent = to_bytes(response.into_body(), usize::MAX).await.unwrap().len();
    let plain = Vendor::get(script.trim_start_matches("/assets/vendor/")).unwrap().data.len();
    assert!(sent * 2 < plain, "{sent} of {plain} bytes");
}

#[tokio::test]
async fn an_unknown_file_is_404_and_names_the_pages() {
    for path in ["/assets/missing.js", "/assets/vendor/missing", "/assets/../Cargo.toml"] {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(response).await.contains("the pages are / and /playground"), "{path}");
    }
}

#[test]
fn the_vendored_files_are_the_ones_listed_in_vendor_md() {
    let table = String::from_utf8(Vendor::get("VENDOR.md").unwrap().data.into_owned()).unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for row in &rows {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (file, listed) = (cells[1], cells[5]);
        let embedded =
            Vendor::get(file).unwrap_or_else(|| panic!("VENDOR.md lists {file}, which is not there"));
        assert_eq!(sha256(&embedded), listed, "{file} was changed by hand");
    }
    let unlisted = Vendor::iter().filter(|file| !rows.iter().any(|row| row.contains(file.as_ref())));
    let mut unlisted: Vec<_> = unlisted.filter(|file| !file.ends_with("BUNDLED-LICENCES.txt")).collect();
    unlisted.sort();
    assert_eq!(unlisted, ["VENDOR.md"]);
}

#[tokio::test]
async fn the_list_of_examples_is_complete_and_without_duplicates() {
    let examples = examples().unwrap();
    assert!(!examples.is_empty());
    let mut names: Vec<_> = examples.iter().map(|example| example.name.as_str()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), examples.len(), "two examples have the same name");

    let served: serde_json::Value =
        serde_json::from_str(&text(get("/assets/examples.json", &[]).await).await).unwrap();
    assert_eq!(served, serde_json::to_value(&examples).unwrap());
}
