//! The load: one game server that reports every player's character in each tick, and the players, who read.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use entitygraph_client::stream::view::View;
use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind, Role,
        control::{Control, message},
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        moment::PER_TICK,
        report::{Head, ReportWriter},
        state::Slice,
    },
};
use glam::{DVec3, Quat};
use mio::{Events, Interest, Poll, Token};

use crate::{
    GROUP, TICK_US,
    client::Client,
    counts::Counts,
    hub::{FIRST, middle_m},
    say, until, usage,
};

/// Ticks before anything is counted.
const WARM_TICKS: u64 = 20;

/// Ticks of which the time of the report is known.
const TICKS: usize = 1 << 10;

/// Where a walker of a group of this number is, and where it looks: it goes around the middle of its group.
fn walker(player: usize, tick: u64) -> ExactRow<'static> {
    let [x, y] = middle_m(player / GROUP);
    let number = (player % GROUP) as f64;
    let radius = 2.0 + 10.0 * number / GROUP as f64;
    let angle = number + tick as f64 * 0.14 / radius;
    ExactRow {
        position_m: Some(DVec3::new(x + radius * angle.cos(), y + radius * angle.sin(), 1.0)),
        rotation: Some(Quat::from_rotation_z(angle as f32)),
        velocity_m_s: None,
        variables: None,
    }
}

/// The game server.
struct Simulation {
    client: Client,
    epoch: Epoch,
    zone: Handle,
    /// Handle and number of each player's character, by handle.
    walkers: Vec<(Handle, usize)>,
    batch: u64,
    bytes: Vec<u8>,
}

impl Simulation {
    /// Takes the post; also says what the shard clock read, and when that was heard.
    fn start(address: SocketAddr, scratch: &mut [u8]) -> (Self, u64, Instant) {
        let mut client = Client::connect(address).expect("a connection");
        client.hello(Role::Server, "load").expect("Hello");
        client.say(&message::Register::default()).expect("Register");
        let mut view = View::default();
        let (mut granted, mut clock) = (None, (0, Instant::now()));
        while granted.is_none() {
            client
                .read(scratch, |client, message, _| {
                    for frame in Frames::new(message, Limits::down(Role::Server)).expect("frames") {
                        let frame = frame.expect("a frame");
                        if let Some(ready) = view.take(frame.kind, frame.body).expect("a frame") {
                            client.say(&ready).expect("Ready");
                            client.say(&message::Seen { seq: view.seen() }).expect("Seen");
                        }
                        match Control::read(frame.kind, frame.body) {
                            Ok(Control::Grant(grant)) => granted = Some(grant),
                            Ok(Control::Welcome(welcome)) => {
                                clock = (welcome.shard_clock_us, Instant::now());
                            }
                            _ => {}
                        }
                    }
                })
                .expect("a server's socket");
            std::thread::sleep(Duration::from_micros(200));
        }
        let grant = granted.expect("a Grant");
        let mut walkers: Vec<(Handle, usize)> = view
            .entities()
            .filter_map(|(handle, seen)| {
                Some((handle, usize::try_from(seen.entity.id.get().checked_sub(FIRST)?).ok()?))
            })
            .collect();
        walkers.sort_unstable();
        let simulation = Self {
            client,
            epoch: Epoch::from_number(grant.epoch),
            zone: Handle::new(grant.handle).expect("a handle"),
            walkers,
            batch: 0,
            bytes: Vec::new(),
        };
        (simulation, clock.0, clock.1)
    }

    /// Reports the groups of one part.
    fn report(&mut self, tick: u64, part: usize, parts: usize) {
        self.batch += 1;
        self.bytes.clear();
        let walkers: Vec<(Handle, usize)> =
            self.walkers.iter().filter(|(_, player)| player / GROUP % parts == part).copied().collect();
        let head = Head { batch: self.batch, tick, last_of_tick: part + 1 == parts };
        let mut report = ReportWriter::begin(&head, 1, &mut self.bytes);
        let mut group = report.group(self.epoch, self.zone, walkers.iter().map(|(handle, _)| *handle));
        walkers.iter().for_each(|(_, player)| group.row(&walker(*player, tick)));
        group.end(&[], &[], &[]);
        report.end();
        self.client.send(&self.bytes).expect("a report");
    }
}

/// When the reports of a tick were written, part by part, for the ticks of late.
struct Written {
    at: Vec<Instant>,
    parts: usize,
}

impl Written {
    fn place(&self, tick: u64, part: usize) -> usize {
        tick as usize % TICKS * self.parts + part
    }

    /// When that was written which a player waits for.
    fn at(&self, tick: u64, player: usize) -> Instant {
        self.at[self.place(tick, player / GROUP % self.parts)]
    }
}

/// Plays for a time and says the figures.
pub fn run(address: SocketAddr, players: usize, seconds: u64, parts: usize) {
    let mut scratch = vec![0; 256 << 10];
    let (mut simulation, clock_us, started) = Simulation::start(address, &mut scratch);
    let shard_us = |now: Instant| clock_us + now.duration_since(started).as_micros() as u64;
    assert_eq!(simulation.walkers.len(), players, "all characters are known");

    let mut poll = Poll::new().expect("epoll");
    let mut clients: Vec<Client> = Vec::with_capacity(players);
    for player in 0..players {
        let number = FIRST + player as u64;
        let mut client = Client::connect(address).expect("a connection");
        client.hello(Role::Player, &format!("player-{number}")).expect("Hello");
        client.say(&message::Enter { character: number }).expect("Enter");
        poll.registry().register(&mut client.socket, Token(player), Interest::READABLE).expect("epoll");
        clients.push(client);
    }

    let mut written = Written { at: vec![started; TICKS * parts], parts };
    let mut counts = Counts::new();
    let mut events = Events::with_capacity(1_024);
    let tick_us = u64::from(TICK_US);
    let tick_now = |now: Instant| shard_us(now) / tick_us;
    let begin = |tick: u64, part: usize| {
        let us = tick * tick_us + tick_us * part as u64 / parts as u64;
        started + Duration::from_micros(us.saturating_sub(clock_us))
    };
    let entered = enter_all(&mut poll, &mut events, &mut clients, &mut scratch);
    assert_eq!(entered, players);
    let first = tick_now(Instant::now()) + 2;
    let (count_from, end) = (first + WARM_TICKS, first + WARM_TICKS + seconds * 1_000_000 / tick_us);
    let (mut next, mut part) = (first, 0);
    let (mut counting, mut cpu) = (false, 0.0);
    until(begin(first, 0));
    while next <= end {
        let now = Instant::now();
        if now >= begin(next, part) {
            if next == count_from && part == 0 {
                say("begin");
                (counting, cpu) = (true, usage::cpu_s());
            }
            // The tick that is over now.
            let place = written.place(next - 1, part);
            written.at[place] = Instant::now();
            simulation.report(next - 1, part, parts);
            part += 1;
            if part == parts {
                (next, part) = (next + 1, 0);
            }
            continue;
        }
        let wait = begin(next, part).saturating_duration_since(now);
        poll.poll(&mut events, Some(wait)).expect("epoll");
        for event in &events {
            let player = event.token().0;
            let Some(client) = clients.get_mut(player) else { continue };
            client
                .read(&mut scratch, |_, message, header| {
                    if counting {
                        count(message, header, &written, player, next, &mut counts);
                    }
                })
                .expect("a player's socket");
        }
        // The server's socket is read now and then, for Notices.
        simulation
            .client
            .read(&mut scratch, |_, message, _| {
                for frame in Frames::new(message, Limits::down(Role::Server)).expect("frames") {
                    let frame = frame.expect("a frame");
                    if frame.kind == Kind::Notice {
                        eprintln!("{:?}", Control::read(frame.kind, frame.body));
                    }
                }
            })
            .expect("the server's socket");
    }
    let load_cpu_s = usage::cpu_s() - cpu;
    counts.say(load_cpu_s);
}

/// Answers what is bound until each player has its character.
fn enter_all(poll: &mut Poll, events: &mut Events, clients: &mut [Client], scratch: &mut [u8]) -> usize {
    let mut views: HashMap<usize, View> = HashMap::new();
    let mut entered = 0;
    let give_up = Instant::now() + Duration::from_secs(60);
    // Sockets that said something before they were polled are said again by nobody: each is read once.
    let mut turn: Vec<usize> = (0..clients.len()).collect();
    while (entered < clients.len() || !turn.is_empty()) && Instant::now() < give_up {
        for player in turn.drain(..) {
            let view = views.entry(player).or_default();
            clients[player]
                .read(scratch, |client, message, _| {
                    for frame in Frames::new(message, Limits::down(Role::Player)).expect("frames") {
                        let frame = frame.expect("a frame");
                        if let Some(ready) = view.take(frame.kind, frame.body).expect("a frame") {
                            client.say(&ready).expect("Ready");
                            client.say(&message::Seen { seq: view.seen() }).expect("Seen");
                        }
                        entered += usize::from(frame.kind == Kind::Entered);
                    }
                })
                .expect("a player's socket");
        }
        poll.poll(events, Some(Duration::from_millis(200))).expect("epoll");
        turn.extend(events.iter().map(|event| event.token().0));
    }
    entered
}

/// Counts what a message tells, and how long after the report of its newest change it was read.
fn count(message: &[u8], header: usize, written: &Written, player: usize, next: u64, counts: &mut Counts) {
    let mut newest = None;
    for frame in Frames::new(message, Limits::down(Role::Player)).expect("frames") {
        let frame = frame.expect("a frame");
        if frame.kind != Kind::State {
            continue;
        }
        let slice = Slice::read(frame.body).expect("a slice");
        counts.deliveries += slice.rows().count() as u64;
        // The end of the tick that the slice tells, and so the tick, by its lower bits.
        let tick = u64::from(slice.head.moment.wrapping_sub(slice.head.age as u16)) / PER_TICK;
        newest = newest.max(Some(tick.wrapping_sub(1) & 0xfff));
    }
    counts.bytes += (message.len() + header) as u64;
    let Some(low) = newest else { return };
    let back = next.wrapping_sub(low) & 0xfff;
    counts.took(written.at(next.saturating_sub(back), player).elapsed());
}
