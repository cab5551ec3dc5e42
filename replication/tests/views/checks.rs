//! What is true of each view at its horizon, and of all bytes of a peer.

use entitygraph_schema::{EntityId, Value, Visibility, testing, wire::Role};

use crate::*;

pub fn motion_at(history: &History, id: EntityId, moment: u64) -> Option<Motion> {
    let (_, motions) = history.motions.iter().find(|(other, _)| *other == id)?;
    motions.iter().rev().find(|(at, _)| *at <= moment).map(|(_, motion)| *motion)
}

/// Nothing that the player may not see is in these bytes.
pub fn check_hidden(bytes: &[u8], peer: &Peer, seed: u64) {
    let has = |marker: &str| bytes.windows(marker.len()).any(|part| part == marker.as_bytes());
    assert!(!has(SECRET), "seed {seed}: player {} is told what only servers may know", peer.number);
    let own = format!("{OWNED}{};", peer.number);
    for at in 0..bytes.len().saturating_sub(own.len()) {
        let other = bytes[at..].starts_with(OWNED.as_bytes()) && !bytes[at..].starts_with(own.as_bytes());
        assert!(!other, "seed {seed}: player {} is told what another owner may know", peer.number);
    }
}

pub fn check_values(peer: &Peer, history: &History, seed: u64) {
    let at = peer.view.horizon();
    for (handle, seen) in peer.view.entities().filter(|(_, seen)| seen.active) {
        for (number, class) in (0..).zip(&history.classes) {
            let Some(values) = history.values.get(&(seen.entity.id, number)) else { continue };
            let known = history.variables.get(number).unwrap();
            let may = match class {
                Visibility::Public => true,
                Visibility::OwnerOnly => {
                    peer.role == Role::Server || seen.entity.id == testing::entity_id(peer.number)
                }
                Visibility::ServerOnly => peer.role == Role::Server,
            };
            let is = values.iter().rev().find(|(moment, _)| *moment <= at);
            let is = is.and_then(|(_, value)| value.as_ref()).filter(|_| may);
            let told = seen.entity.components.get(known.component, known.variable);
            let same = match (is, told) {
                (Some(Value::Float(is)), Some(Value::Float(told))) => {
                    (is - told).abs() <= known.precision.unwrap_or(0.0)
                }
                _ => is == told,
            };
            assert!(
                same,
                "seed {seed}: variable {number} of {handle} is {is:?} at {at}, and {told:?} to {}",
                peer.number
            );
        }
    }
}

pub fn check_view(peer: &Peer, history: &History, seed: u64) {
    check_values(peer, history, seed);
    let view = &peer.view;
    for number in FIRST..FIRST + UNITS {
        // A unit is there as a whole, and shown as a whole (G5).
        let unit = [number, number + HAT, number + DRONE].map(|number| {
            let found = view.entities().find(|(_, seen)| seen.entity.id == testing::entity_id(number));
            found.map(|(_, seen)| seen.active)
        });
        let whole = unit.iter().all(|part| *part == unit[0]);
        assert!(whole, "seed {seed}: {} has {unit:?} of {number}", peer.number);
    }
    for (handle, seen) in view.entities().filter(|(_, seen)| seen.active) {
        let Some(is) = motion_at(history, seen.entity.id, view.horizon()) else { continue };
        let told = (seen.position_m.unwrap(), seen.rotation, seen.velocity_m_s);
        let off_m = (told.0 - is.place_m).abs().max_element();
        let off_degrees = told.1.angle_between(is.rotation.as_dquat()).to_degrees();
        let off_m_s = (told.2 - is.velocity_m_s.as_dvec3()).abs().max_element();
        assert!(
            off_m <= HALF_STEP_M && off_degrees < 0.8 && off_m_s <= 1.0 / 32.0,
            "seed {seed}: {handle} is told as {told:?}, is {is:?} at {}",
            view.horizon()
        );
    }
}
