//! Sessions that say nothing but that they are alive.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use entitygraph_schema::wire::{Kind, Role, control::message, frame::Frames, limits::Limits};

use crate::{client::Client, hub, usage};

/// Bytes of memory that are this process's own (VmRSS).
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1_024
}

/// Processor time of this process over a while, and of others on the machine, in percent of one core.
fn cpu_percent(seconds: usize) -> [f64; 2] {
    let (cpu, machine, wall) = (usage::cpu_s(), usage::machine_cpu_s(), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let (cpu, machine) = (usage::cpu_s() - cpu, usage::machine_cpu_s() - machine);
    [cpu, machine - cpu].map(|seconds| 100.0 * seconds / wall.elapsed().as_secs_f64())
}

/// Measures the hub's process without and with so many sessions.
pub fn run(sessions: usize, seconds: usize) {
    let hub = hub(1);
    std::thread::sleep(Duration::from_secs(1));
    let (memory, cpu) = (resident_bytes(), cpu_percent(seconds));
    let mut load = Command::new(std::env::current_exe().expect("this program"))
        .args(["idle-load", &hub.address().to_string(), &sessions.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the load process");
    let mut words = BufReader::new(load.stdout.take().expect("its output")).lines();
    assert_eq!(words.next().expect("a word").expect("a line"), "all are in");
    std::thread::sleep(Duration::from_secs(1));
    let (with_memory, with_cpu) = (resident_bytes(), cpu_percent(seconds));
    writeln!(load.stdin.as_mut().expect("its input"), "ping").expect("it listens");
    assert_eq!(words.next().expect("a word").expect("a line"), "pinging");
    let pinged_cpu = cpu_percent(seconds);
    drop(load.stdin.take());
    load.wait().expect("the load process ends");
    hub.stop();
    let each = with_memory.saturating_sub(memory) / sessions as u64;
    println!("idle: {sessions} sessions, {seconds} s each; the hub's process, one core for sockets");
    println!(
        "  memory   {:>6} KiB without, {:>6} KiB with, {each} bytes each",
        memory / 1_024,
        with_memory / 1_024
    );
    for (when, [own, others]) in
        [("without", cpu), ("silent", with_cpu), ("a Ping of each in 20 s", pinged_cpu)]
    {
        println!("  processor {own:>6.2} % {when} (others {others:.0} %)");
    }
}

/// The peers: an address and a count.
pub fn load(arguments: &[String]) {
    let [address, sessions] = arguments else { panic!("an address and a count") };
    let (address, sessions): (SocketAddr, usize) =
        (address.parse().expect("an address"), sessions.parse().expect("a count"));
    let mut scratch = vec![0; 64 << 10];
    let mut peers: Vec<Client> = (0..sessions)
        .map(|number| {
            let mut client = Client::connect(address).expect("a connection");
            client.hello(Role::Viewer, &format!("viewer-{number}")).expect("Hello");
            let mut welcome = false;
            while !welcome {
                client
                    .read(&mut scratch, |_, message, _| {
                        let frames = Frames::new(message, Limits::down(Role::Viewer)).expect("frames");
                        welcome |= frames.flatten().any(|frame| frame.kind == Kind::Welcome);
                    })
                    .expect("a Welcome");
            }
            client
        })
        .collect();
    println!("all are in");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a word");
    println!("pinging");
    let pause = Duration::from_secs(20) / sessions as u32;
    let begin = Instant::now();
    for (number, peer) in peers.iter_mut().enumerate() {
        std::thread::sleep((begin + pause * number as u32).saturating_duration_since(Instant::now()));
        peer.say(&message::Ping { sender_us: 1 }).expect("a Ping");
    }
    line.clear();
    std::io::stdin().read_line(&mut line).expect("the end");
}
