//! A game server of one page: everything that it is granted walks in a circle, and whatever somebody does to a thing makes it jump.
//!
//!     cargo run -p entitygraph-client --example server -- ws://127.0.0.1:8080/stream

use std::{collections::BTreeMap, time::Duration};

use entitygraph_client::stream::{
    connection::Connection, event::Event, refusal::StreamError, server::Server, session::Login,
};
use entitygraph_schema::wire::{Handle, control::message, report::Outcome};
use glam::{DVec3, Quat};

/// How far from where it began a thing walks.
const RADIUS_M: f64 = 5.0;

/// Simulates until the session ends for good, and says why.
pub async fn run(url: &str) -> Option<StreamError> {
    let mut server = Connection::new(Server::new(url), Login::Subject("circles".into()));
    // Any post that is free. It is sent when the session begins, and again when it has to.
    if let Err(error) = server.register(message::Register::default()) {
        eprintln!("cannot register: {error}");
    }
    let mut centres: BTreeMap<Handle, DVec3> = BTreeMap::new();
    let mut to_judge: Vec<message::Action> = Vec::new();
    let mut clock = tokio::time::interval(Duration::from_millis(5));
    loop {
        // What happened since the last tick. Nothing is told, read or sent while this is not called.
        while let Some(event) = server.next_now().await {
            match event {
                Event::Activated(handles) => {
                    for handle in handles {
                        if let Some(centre) = server.view().entity(handle).and_then(|seen| seen.position_m) {
                            centres.insert(handle, centre);
                        }
                    }
                }
                Event::Unbound { entities, .. } => {
                    centres.retain(|handle, _| entities.iter().all(|(gone, _)| gone != handle));
                }
                Event::Action(action) => to_judge.push(action),
                Event::Gained { handle, epoch, .. } => println!("simulates {handle} under epoch {epoch}"),
                Event::Taken { handle, why, .. } => println!("does not simulate {handle} any more: {why:?}"),
                Event::Notice(notice) => eprintln!("{}: {}", notice.code().name(), notice.reason),
                Event::Lost { error, retry_in_ms } => eprintln!("{error}; again in {retry_in_ms} ms"),
                Event::Ended(error) => return error,
                _ => {}
            }
        }
        // One step for each tick of the shard clock, while there is something to simulate.
        if let Some(mut report) = server.begin_tick() {
            let angle = report.tick() as f64 * 0.02;
            for (handle, centre) in &centres {
                if server.has_authority(*handle) {
                    let jump =
                        if to_judge.iter().any(|action| action.target == handle.get()) { 1.0 } else { 0.0 };
                    let place = *centre + DVec3::new(angle.cos() * RADIUS_M, angle.sin() * RADIUS_M, jump);
                    let facing = Quat::from_rotation_z((angle + std::f64::consts::FRAC_PI_2) as f32);
                    // What nothing can have is refused here, and named.
                    if let Err(bad) = report.motion(*handle, Some(place), Some(facing), None) {
                        eprintln!("{bad}");
                    }
                }
            }
            for action in to_judge.drain(..) {
                // Effect and receipt stand in one report: the hub takes both or neither.
                if let Err(bad) = report.judged(&action, Outcome::Done, b"") {
                    eprintln!("{bad}");
                }
            }
            if let Err(error) = server.report(&report) {
                eprintln!("tick {} is not reported: {error}", report.tick());
            }
        }
        clock.tick().await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/stream".into());
    if let Some(error) = run(&url).await {
        eprintln!("{error}");
    }
}
