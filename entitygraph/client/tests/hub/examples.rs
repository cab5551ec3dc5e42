//! The programs of `examples/`, as they are, against a hub.

use std::time::Duration;

use entitygraph_client::stream::event::Event;
use entitygraph_schema::{testing, wire::control::message::Code};
use tokio::time::timeout;

use crate::world::{hub, places, url};

#[path = "../../examples/player.rs"]
#[allow(dead_code)] // its `main` is not called
mod player;
#[path = "../../examples/server.rs"]
#[allow(dead_code)] // its `main` is not called
mod server;
#[path = "../../examples/viewer.rs"]
#[allow(dead_code)] // its `main` is not called
mod viewer;

#[tokio::test]
async fn the_player_of_the_example_sees_what_the_server_of_the_example_does() {
    let hub = hub(&places(12));
    let address = url(&hub);
    let simulation = tokio::spawn({
        let address = address.clone();
        async move { server::run(&address).await }
    });
    let mut farthest_m: f64 = 0.0;
    let mut moves = 0;
    let ended = player::run(&address, "player-103", testing::entity_id(103), |player, event| {
        if let Event::Moved(handle) = event
            && let Some(place) = player.view().entity(*handle).and_then(|seen| seen.position_m)
        {
            let id = player.view().entity(*handle).unwrap().entity.id;
            let began = places(12)[id.get() as usize - 100];
            farthest_m = farthest_m.max((place - began).length());
            moves += 1;
        }
        moves > 300
    });
    let ended = timeout(Duration::from_secs(20), ended).await.expect("300 moves in 20 s");
    assert_eq!((ended, simulation.is_finished()), (None, false));
    assert!((4.9..5.1).contains(&farthest_m), "all walk on a circle of 5 m, not {farthest_m} m");
    simulation.abort();
    hub.stop();
}

#[tokio::test]
async fn the_viewer_of_the_example_is_told_what_it_follows_or_that_it_is_not_served() {
    let hub = hub(&places(12));
    let address = url(&hub);
    let mut told = Vec::new();
    let ended = viewer::run(&address, 1, |_, event| {
        told.push(event.clone());
        matches!(event, Event::Activated(_) | Event::Notice(_))
    });
    let ended = timeout(Duration::from_secs(20), ended).await.expect("an answer in 20 s");
    assert_eq!(ended, None);
    let answered = match told.last() {
        Some(Event::Notice(notice)) => notice.code() == Code::Busy,
        Some(Event::Activated(handles)) => !handles.is_empty(),
        _ => false,
    };
    assert!(answered, "{told:?}");
    hub.stop();
}
