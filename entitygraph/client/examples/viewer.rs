//! A map without a picture: follows a zone and says what comes, moves and goes.
//!
//!     cargo run -p entitygraph-client --example viewer -- ws://127.0.0.1:8080/stream 1

use entitygraph_client::stream::{
    connection::Connection, event::Event, refusal::StreamError, session::Login, viewer::Viewer,
};
use entitygraph_schema::wire::control::message::follow::Area;

/// Looks until the session ends for good, or `see` has seen enough.
pub async fn run(url: &str, zone: u64, mut see: impl FnMut(&Viewer, &Event) -> bool) -> Option<StreamError> {
    let mut viewer = Connection::new(Viewer::new(url), Login::Subject("map".into()));
    if let Err(error) = viewer.follow(1, Area::Zone(zone)) {
        eprintln!("cannot follow: {error}");
    }
    while let Some(event) = viewer.next().await {
        if see(&viewer, &event) {
            viewer.close().await;
            return None;
        }
        if let Event::Ended(error) = event {
            return error;
        }
    }
    None
}

fn print(viewer: &Viewer, event: &Event) -> bool {
    let place = |handle| viewer.view().entity(handle).and_then(|seen| seen.position_m);
    match event {
        Event::Activated(handles) => {
            handles.iter().for_each(|handle| println!("{handle} at {:?}", place(*handle)))
        }
        Event::Moved(handle) => println!("{handle} is at {:?}", place(*handle)),
        Event::Unbound { entities, .. } => {
            entities.iter().for_each(|(handle, id)| println!("{handle}, entity {id}, is gone"))
        }
        Event::Lost { error, retry_in_ms } => eprintln!("{error}; again in {retry_in_ms} ms"),
        Event::Notice(notice) => eprintln!("{}: {}", notice.code().name(), notice.reason),
        _ => {}
    }
    false
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:8080/stream".into());
    let zone = arguments.next().and_then(|id| id.parse().ok()).unwrap_or(1);
    if let Some(error) = run(&url, zone, print).await {
        eprintln!("{error}");
    }
}
