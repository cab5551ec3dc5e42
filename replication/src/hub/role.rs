//! The replicant's thread: events of its line and its timer in, parcels out.

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    line::{
        Line,
        channel::{Receiver, Sender},
    },
    machine::Machine,
    message::{Parcels, Up},
    replicant::{Event, Replicant, out::Out},
};

/// Events taken before the timer is looked at again.
const EVENTS_AT_ONCE: usize = 256;

/// How long a core that does not keep up is given before it is looked at again.
const BEHIND_US: u64 = 500;

/// Runs until it is stopped or every gateway is gone.
///
/// What comes of `flow` is taken first: which sockets take more must not wait behind what servers report.
pub fn run(
    replicant: Replicant,
    clock: Clock,
    flow: Receiver<Up>,
    ups: Receiver<Up>,
    downs: Vec<Sender<Parcels>>,
    stop: CancellationToken,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(drive(replicant, clock, flow, ups, downs, stop)),
        Err(error) => tracing::error!(%error, "the replicant cannot run"),
    }
}

async fn drive(
    mut replicant: Replicant,
    clock: Clock,
    mut flow: Receiver<Up>,
    mut ups: Receiver<Up>,
    downs: Vec<Sender<Parcels>>,
    stop: CancellationToken,
) {
    let mut out = Out::new(u16::try_from(downs.len()).unwrap_or(u16::MAX));
    loop {
        let room = downs.iter().all(|down| down.room() > 0);
        if room && !out.is_empty() {
            for (core, parcels) in out.take() {
                // There is room, and this is the only sender: only a core that has ended takes nothing.
                drop(downs.get(core).map(|down| down.send(parcels)));
            }
        }
        let wake_us = match replicant.wake_us() {
            // Nothing is made that cannot be sent: what comes meanwhile is told together, later.
            Some(us) if !room => us.max(clock.now().shard_us + BEHIND_US),
            wake_us => wake_us.unwrap_or(u64::MAX / 2),
        };
        let now = clock.now();
        if wake_us <= now.shard_us {
            replicant.handle(now, Event::Woken, &mut out);
            continue;
        }
        let wake = Instant::from_std(clock.instant(wake_us.min(now.shard_us + 3_600_000_000)));
        let up = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(up) = flow.next() => Some(up),
            up = ups.next() => up,
            () = sleep_until(wake) => continue,
        };
        let Some(up) = up else { return };
        replicant.handle(clock.now(), Event::Up(up), &mut out);
        for _ in 0..EVENTS_AT_ONCE {
            let now = clock.now();
            // However much comes, what is due is told in time.
            if room && replicant.wake_us().is_some_and(|wake_us| wake_us <= now.shard_us) {
                break;
            }
            let Some(up) = flow.next_now().or_else(|| ups.next_now()) else { break };
            replicant.handle(now, Event::Up(up), &mut out);
        }
    }
}
