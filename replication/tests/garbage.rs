//! Whatever a peer sends, the roles neither panic nor tell it more than a reason.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use bytes::Bytes;
use entitygraph_replication::{
    config::{Config, Room},
    gateway::{self, Effect, Gateway, Shared, token::ShardKey},
    machine::{Machine, Now},
    message::{Connection, Up},
    replicant::{Event, Replicant, out::Out, world::World},
};
use entitygraph_schema::{
    Entity, Epoch, NewEntity, Placement, testing,
    wire::{Kind, Role, frame},
};
use proptest::prelude::*;

const CONNECTION: Connection = Connection { core: 0, slot: 1, generation: 1 };

fn now() -> Now {
    Now { shard_us: 9_000_000_000, tick_us: 33_333 }
}

fn replicant() -> Replicant {
    let zone = Entity::created(testing::world(1, 1e6), Epoch::ZERO);
    let placement = Placement { pose: Some(testing::at(1.0, 2.0, 3.0)), ..testing::item(2, 1).placement };
    let walker = NewEntity { placement, ..testing::item(2, 1) };
    Replicant::new(Room::default(), World::new(zone, vec![Entity::created(walker, Epoch::ZERO)]).unwrap())
        .unwrap()
}

fn gateway() -> Gateway {
    let (config, key) = (Config::default(), ShardKey::new(&[1; 32]).unwrap());
    let shared = Shared::new(&config, key.clone(), 1);
    Gateway::new(config, key, 1, shared)
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Player), Just(Role::Viewer)]
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL)
}

proptest! {
    #[test]
    fn frames_of_any_kind_with_any_body(
        role in roles(),
        frames in prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..80)), 1..20),
    ) {
        let (mut gateway, mut replicant) = (gateway(), replicant());
        let (mut effects, mut out) = (gateway::Out::new(), Out::new(1));
        gateway.handle(now(), gateway::Event::Connected(CONNECTION, [127, 0, 0, 1].into()), &mut effects);
        let joined = Up::Joined { connection: CONNECTION, session: 1, role, subject: "x".into() };
        replicant.handle(now(), Event::Up(joined), &mut out);
        for (kind, body) in frames {
            let mut message = Vec::new();
            frame::put(kind, &body, &mut message);
            gateway.handle(now(), gateway::Event::Message(CONNECTION, message.into()), &mut effects);
            let up = Up::Frame { connection: CONNECTION, kind, body: body.into() };
            replicant.handle(now(), Event::Up(up), &mut out);
        }
        let later = Now { shard_us: now().shard_us + 60_000_000, ..now() };
        replicant.handle(later, Event::Woken, &mut out);
        prop_assert!(effects.iter().filter(|effect| matches!(effect, Effect::Close(..))).count() <= 1);
        for (_, parcels) in out.take() {
            prop_assert!(parcels.closes.len() <= 1, "{:?}", parcels.closes);
        }
    }

    #[test]
    fn messages_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut gateway = gateway();
        let mut effects = gateway::Out::new();
        gateway.handle(now(), gateway::Event::Connected(CONNECTION, [127, 0, 0, 1].into()), &mut effects);
        gateway.handle(now(), gateway::Event::Message(CONNECTION, Bytes::from(bytes)), &mut effects);
        let closes = effects.iter().filter(|effect| matches!(effect, Effect::Close(..))).count();
        prop_assert!(closes <= 1);
    }
}
