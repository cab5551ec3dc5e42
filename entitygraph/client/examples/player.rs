//! A player without a picture: takes a character and says what it sees.
//!
//!     cargo run -p entitygraph-client --example player -- ws://127.0.0.1:8080/stream anna 1234

use entitygraph_client::stream::{
    connection::Connection, event::Event, player::Player, refusal::StreamError, session::Login,
};
use entitygraph_schema::EntityId;

/// Looks around until the session ends for good, or `see` has seen enough.
pub async fn run(
    url: &str,
    name: &str,
    character: EntityId,
    mut see: impl FnMut(&Player, &Event) -> bool,
) -> Option<StreamError> {
    let mut player = Connection::new(Player::new(url), Login::Subject(name.into()));
    if let Err(error) = player.enter(character) {
        eprintln!("cannot enter: {error}");
    }
    while let Some(event) = player.next().await {
        // The local copy is as of this event.
        if see(&player, &event) {
            player.close().await;
            return None;
        }
        match event {
            Event::Lost { error, retry_in_ms } => eprintln!("{error}; again in {retry_in_ms} ms"),
            Event::Ended(error) => return error,
            _ => {}
        }
    }
    None
}

fn print(player: &Player, event: &Event) -> bool {
    match event {
        Event::Activated(handles) => println!("{} things appear", handles.len()),
        Event::Unbound { entities, .. } => println!("{} things are gone", entities.len()),
        Event::Moved(handle) if Some(*handle) == player.character() => {
            let place = player.view().entity(*handle).and_then(|seen| seen.position_m);
            println!("I am at {place:?}");
        }
        _ => {}
    }
    false
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (url, name, character) = (arguments.next(), arguments.next(), arguments.next());
    let character = character.and_then(|id| id.parse().ok()).and_then(EntityId::new);
    let (Some(url), Some(name), Some(character)) = (url, name, character) else {
        eprintln!(
            "player URL NAME CHARACTER: the address of the stream, who plays, and the id of a character of theirs"
        );
        std::process::exit(2);
    };
    if let Some(error) = run(&url, &name, character, print).await {
        eprintln!("{error}");
    }
}
