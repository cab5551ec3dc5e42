//! A player that comes back: what it is sent, beside what it was sent at first.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use entitygraph_client::stream::view::View;
use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind, Role, VERSION,
        control::{
            Control,
            message::{self, hello::Login},
        },
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        report::{Head, ReportWriter},
    },
};
use glam::DVec3;

use crate::{FIRST, client::Client, hub};

/// How long the player is away.
const AWAY: Duration = Duration::from_secs(30);

/// A peer, what it has seen, and how many bytes that took.
struct Peer {
    client: Client,
    role: Role,
    view: View,
    bytes: u64,
    scratch: Vec<u8>,
    control: Vec<Control>,
}

impl Peer {
    fn connect(address: SocketAddr, role: Role, view: View) -> Self {
        let client = Client::connect(address).expect("a connection");
        Self { client, role, view, bytes: 0, scratch: vec![0; 256 << 10], control: Vec::new() }
    }

    /// Reads what is there; answers what is bound.
    fn take(&mut self) {
        let Self { client, role, view, bytes, scratch, control } = self;
        client
            .read(scratch, |client, message, header| {
                *bytes += (message.len() + header) as u64;
                for frame in Frames::new(message, Limits::down(*role)).expect("frames") {
                    let frame = frame.expect("a frame");
                    if let Some(ready) = view.take(frame.kind, frame.body).expect("a frame") {
                        client.say(&ready).expect("Ready");
                        client.say(&message::Seen { seq: view.seen() }).expect("Seen");
                    }
                    if matches!(frame.kind, Kind::Welcome | Kind::Grant | Kind::Entered | Kind::Refused) {
                        control.push(Control::read(frame.kind, frame.body).expect("a message"));
                    }
                }
            })
            .expect("a socket");
    }

    fn until(&mut self, kind: Kind) -> Control {
        let begin = Instant::now();
        loop {
            if let Some(found) = self.control.iter().position(|control| control.kind() == kind) {
                return self.control.remove(found);
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "no {kind}; {:?}", self.control);
            self.take();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads until nothing came for a while.
    fn settle(&mut self) {
        let mut last = (self.bytes, Instant::now());
        while last.1.elapsed() < Duration::from_secs(2) {
            self.take();
            if self.bytes > last.0 {
                last = (self.bytes, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Measures it with so many entities in sight.
pub fn run(entities: usize) {
    let hub = hub(entities);
    let address = hub.address();
    let mut server = Peer::connect(address, Role::Server, View::default());
    server.client.hello(Role::Server, "mover").expect("Hello");
    server.client.say(&message::Register::default()).expect("Register");
    let Control::Grant(grant) = server.until(Kind::Grant) else { panic!("a Grant") };
    let mut player = Peer::connect(address, Role::Player, View::default());
    player.client.hello(Role::Player, &format!("player-{FIRST}")).expect("Hello");
    let Control::Welcome(welcome) = player.until(Kind::Welcome) else { panic!("a Welcome") };
    player.client.say(&message::Enter { character: FIRST }).expect("Enter");
    player.until(Kind::Entered);
    player.settle();
    let (first, bound) = (player.bytes, player.view.entities().count());
    let view = player.view;
    drop(player.client);
    let begin = Instant::now();
    let mut moved = walkers(&server);
    moved.truncate(entities / 100);
    let mut tick = grant.from_tick;
    for batch in 1..=10 {
        std::thread::sleep(AWAY / 10);
        server.take();
        tick += 1;
        report(&mut server.client, &grant, batch, tick, &mut moved);
    }
    std::thread::sleep(AWAY.saturating_sub(begin.elapsed()));
    let mut player = Peer::connect(address, Role::Player, view);
    let (seen, horizon_moment) = (player.view.seen(), player.view.horizon());
    let hello = message::Hello {
        version_min: VERSION,
        version_max: VERSION,
        login: Some(Login::Resume(welcome.resume_token)),
        incarnation: welcome.incarnation,
        seen,
        horizon_moment,
        ..Default::default()
    };
    player.client.say(&hello).expect("Hello");
    let Control::Welcome(again) = player.until(Kind::Welcome) else { panic!("a Welcome") };
    assert!(again.resumed, "the session went on");
    player.settle();
    let right = moved.iter().filter(|(handle, place_m)| {
        let seen = player.view.entity(*handle).and_then(|seen| seen.position_m);
        seen.is_some_and(|seen| (seen - *place_m).abs().max_element() < 0.01)
    });
    assert_eq!(right.count(), moved.len(), "what moved is where it is");
    println!("resume: {bound} entities bound, {} of them moved in {} s away", moved.len(), AWAY.as_secs());
    println!(
        "  first login {first} bytes, resume {} bytes: {:.2} %",
        player.bytes,
        100.0 * player.bytes as f64 / first as f64
    );
    hub.stop();
}

/// What the server may move: handle and place.
fn walkers(server: &Peer) -> Vec<(Handle, DVec3)> {
    let mut walkers: Vec<_> = server
        .view
        .entities()
        .filter(|(_, seen)| seen.entity.zone.is_none())
        .filter_map(|(handle, seen)| Some((handle, seen.position_m?)))
        .collect();
    walkers.sort_by_key(|(handle, _)| *handle);
    walkers
}

fn report(client: &mut Client, grant: &message::Grant, batch: u64, tick: u64, moved: &mut [(Handle, DVec3)]) {
    let mut bytes = Vec::new();
    let mut report = ReportWriter::begin(&Head { batch, tick, last_of_tick: true }, 1, &mut bytes);
    let zone = Handle::new(grant.handle).expect("a zone");
    let handles = moved.iter().map(|(handle, _)| *handle);
    let mut group = report.group(Epoch::from_number(grant.epoch), zone, handles);
    for (_, place_m) in moved {
        *place_m += DVec3::new(0.5, 0.25, 0.0);
        group.row(&ExactRow { position_m: Some(*place_m), ..Default::default() });
    }
    group.end(&[], &[], &[]);
    report.end();
    client.send(&bytes).expect("a Report");
}
