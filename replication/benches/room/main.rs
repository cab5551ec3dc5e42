//! `room`: N players in groups of 50, each moving at 10 Hz and seeing its group, one WebSocket each on loopback; and `raw`
//! beside it, a plain tokio program that writes the same bytes to as many sockets.
//!
//! ```sh
//! cargo bench -p entitygraph-replication --bench room -- [SECONDS [PLAYERS ...]]
//! ```
//!
//! The game server reports all in one go, at the end of its tick; for `parts` the groups are told in ten reports over the tick, as
//! by servers that do not tick in step.
//!
//! `ROOM_LOAD_CORE=1 taskset -c 0 cargo bench ...` keeps the hub on one core and the load on another.
//!
//! Game server and players are in a process of their own (`load`), so that the processor time of the hub's process is that of
//! the hub: all its threads, user and system, from `/proc/self/stat`. What others on the machine took is said beside it, because
//! it makes latencies what they are. A *delivery* is one entity's state that a player got. The
//! latency is from the write of the report in the load process to the read of the message there, on one clock.

mod client;
mod counts;
mod hub;
mod load;
mod raw;
mod usage;

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Instant,
};

/// Length of a tick: 10 Hz.
const TICK_US: u32 = 100_000;

/// Reports of a tick in `parts`.
const PARTS: usize = 10;

/// Players who see each other.
const GROUP: usize = 50;

/// What the load process found out.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    deliveries: u64,
    messages: u64,
    bytes: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    load_cpu_s: f64,
}

/// One run.
struct Run {
    found: Found,
    cpu_s: f64,
    wall_s: f64,
    /// Of whatever else ran on the machine meanwhile.
    others_s: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [role, address, players, seconds] = &arguments[..] {
        let address = address.parse::<SocketAddr>();
        let (players, seconds) = (players.parse().expect("a count"), seconds.parse().expect("seconds"));
        match (role.as_str(), address) {
            ("load", Ok(address)) => return load::run(address, players, seconds, 1),
            ("load-in-parts", Ok(address)) => return load::run(address, players, seconds, PARTS),
            ("raw-load", Ok(address)) => return raw::load(address, players, seconds),
            _ => {}
        }
    }
    let seconds: u64 = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut counts: Vec<usize> = arguments.iter().skip(1).filter_map(|text| text.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![500, 1_000, 2_000, 5_000];
    }
    println!("players in groups of {GROUP}, 10 Hz, {seconds} s each; the hub's processor time only");
    println!(
        "{:>7} {:>5} {:>12} {:>8} {:>13} {:>8} {:>8} {:>8} {:>7} {:>8} {:>6} {:>6} {:>7}",
        "players",
        "",
        "delivered/s",
        "of due",
        "per CPU s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "B/row",
        "us/msg",
        "hub",
        "load",
        "others"
    );
    for players in counts {
        let room = hub::run("load", players, seconds);
        print_run("room", players, &room);
        let parts = hub::run("load-in-parts", players, seconds);
        print_run("parts", players, &parts);
        let size = room.found.bytes.checked_div(room.found.messages).unwrap_or(0);
        let raw = raw::run(players, seconds, size as usize);
        print_run("raw", players, &raw);
        let ratio = per_cpu(&room) / per_cpu(&raw);
        println!("{players:>7} {:>5} {ratio:.2} of raw", "ratio");
    }
}

fn per_cpu(run: &Run) -> f64 {
    run.found.deliveries as f64 / run.cpu_s
}

fn print_run(name: &str, players: usize, run: &Run) {
    let Run { found, cpu_s, wall_s, others_s } = run;
    let due = (players * GROUP) as f64 * 1e6 / f64::from(TICK_US);
    println!(
        "{players:>7} {name:>5} {:>12.0} {:>7.1}% {:>13.0} {:>8.1} {:>8.1} {:>8.1} {:>7.2} {:>8.1} {:>5.0}% {:>5.0}% {:>6.0}%",
        found.deliveries as f64 / wall_s,
        100.0 * found.deliveries as f64 / wall_s / due,
        per_cpu(run),
        found.p50_ms,
        found.p99_ms,
        found.max_ms,
        found.bytes as f64 / found.deliveries.max(1) as f64,
        1e6 * cpu_s / found.messages.max(1) as f64,
        100.0 * cpu_s / wall_s,
        100.0 * found.load_cpu_s / wall_s,
        100.0 * others_s / wall_s,
    );
}

/// The load process, and its words.
struct Load {
    child: Child,
    words: BufReader<std::process::ChildStdout>,
}

impl Load {
    fn start(role: &str, address: SocketAddr, players: usize, seconds: u64) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = match std::env::var("ROOM_LOAD_CORE") {
            Ok(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core]).arg(program);
                command
            }
            Err(_) => Command::new(program),
        };
        let mut child = command
            .args([role, &address.to_string(), &players.to_string(), &seconds.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the load process");
        let words = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, words }
    }

    fn word(&mut self) -> String {
        let mut line = String::new();
        self.words.read_line(&mut line).expect("a line of the load process");
        line.trim().to_owned()
    }

    /// From the word `begin` to the word with the figures.
    fn measured(mut self) -> Run {
        assert_eq!(self.word(), "begin", "the load process says when it is ready");
        let (cpu, machine, wall) = (usage::cpu_s(), usage::machine_cpu_s(), Instant::now());
        let words = self.word();
        let (cpu_s, wall_s) = (usage::cpu_s() - cpu, wall.elapsed().as_secs_f64());
        let busy_s = usage::machine_cpu_s() - machine;
        let mut numbers = words.split(' ').map(|word| word.parse::<f64>().expect("a figure"));
        let mut next = || numbers.next().expect("seven figures");
        let found = Found {
            deliveries: next() as u64,
            messages: next() as u64,
            bytes: next() as u64,
            p50_ms: next(),
            p99_ms: next(),
            max_ms: next(),
            load_cpu_s: next(),
        };
        self.child.wait().expect("the load process ends");
        let others_s = (busy_s - cpu_s - found.load_cpu_s).max(0.0);
        Run { found, cpu_s, wall_s, others_s }
    }
}

/// Says a word to the process that measures.
fn say(word: &str) {
    println!("{word}");
    std::io::stdout().flush().expect("somebody listens");
}

/// Sleeps until a point in time.
fn until(then: Instant) {
    std::thread::sleep(then.saturating_duration_since(Instant::now()));
}
