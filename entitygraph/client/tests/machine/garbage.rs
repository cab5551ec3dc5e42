//! Whatever comes from a hub, a peer neither panics nor keeps more than it was sent.

use entitygraph_client::stream::{
    event::Event, frame, peer::Machine, player::Player, server::Server, session::State, viewer::Viewer,
};
use entitygraph_schema::wire::{Kind, Role, control::message, frame::put, limits::Limits};
use proptest::prelude::*;

use crate::hub::{Hub, bind, packed};

fn through<M: Machine>(machine: M, messages: &[Vec<u8>]) -> (State, usize) {
    let mut hub = Hub::open_as(machine);
    hub.bind(1, 300, &[4, 5, 6]);
    let mut told = 0;
    for message in messages {
        hub.send(message.clone());
        told += hub.events().len();
        hub.pass(10_000);
        let waiting = hub.machine.peer().outgoing_bytes();
        assert!(waiting <= 2 * Limits::up(hub.machine.peer().role()).message_bytes);
        hub.sent_frames();
    }
    (hub.machine.peer().state(), told)
}

fn to_all(messages: &[Vec<u8>]) {
    for role in [Role::Server, Role::Player, Role::Viewer] {
        match role {
            Role::Server => through(Server::new("ws://hub.test/stream"), messages),
            Role::Player => through(Player::new("ws://hub.test/stream"), messages),
            Role::Viewer => through(Viewer::new("ws://hub.test/stream"), messages),
        };
    }
}

/// Frames that a hub could send about what is bound.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let handles = || prop::sample::subsequence(vec![4, 5, 6, 7, 300], 1..5);
    prop_oneof![
        (any::<u8>(), any::<u8>(), handles()).prop_map(|(seq, batch, handles)| frame(&bind(
            seq.into(),
            batch.into(),
            300,
            &handles
        ))),
        (any::<u8>(), any::<u8>(), any::<u32>()).prop_map(|(seq, batch, moment)| frame(&message::Activate {
            seq: seq.into(),
            batch: batch.into(),
            moment: moment.into(),
            ..Default::default()
        })),
        (any::<u8>(), handles()).prop_map(|(seq, handles)| frame(&message::Unbind {
            seq: seq.into(),
            count: handles.len() as u32,
            handles: packed(&handles),
            why: 1
        })),
        (any::<u8>(), handles()).prop_map(|(seq, handles)| frame(&message::Pause {
            seq: seq.into(),
            moment: 1,
            count: handles.len() as u32,
            handles: packed(&handles)
        })),
        (any::<u8>(), any::<u8>()).prop_map(|(handle, epoch)| frame(&message::Grant {
            handle: handle.into(),
            epoch: epoch.into(),
            subtree: true,
            ..Default::default()
        })),
        (any::<u8>(), any::<u8>()).prop_map(|(handle, epoch)| frame(&message::Revoke {
            handle: handle.into(),
            epoch: epoch.into(),
            ..Default::default()
        })),
        (0..5_u64, 0..9_u64, 0..9_u32).prop_map(|(session, number, target)| frame(&message::Action {
            session,
            number,
            target,
            ..Default::default()
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..4)) {
        to_all(&messages);
    }

    #[test]
    fn any_body_under_any_kind(
        frames in prop::collection::vec(
            (prop::sample::select(Kind::ALL), prop::collection::vec(any::<u8>(), 0..60)),
            1..6,
        ),
    ) {
        let messages: Vec<Vec<u8>> = frames
            .iter()
            .map(|(kind, body)| {
                let mut message = Vec::new();
                put(*kind, body, &mut message);
                message
            })
            .collect();
        to_all(&messages);
    }

    #[test]
    fn good_frames_in_any_order_whole_or_with_a_changed_byte(
        mut frames in prop::collection::vec(good(), 1..12),
        (which, at, byte) in any::<(prop::sample::Index, prop::sample::Index, u8)>(),
        change in any::<bool>(),
    ) {
        if change {
            let frame = which.get_mut(&mut frames);
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        to_all(&frames);
    }
}

#[test]
fn a_message_that_is_none_ends_the_session_with_its_code() {
    let cases: [(&[u8], &str); 5] = [
        (&[], "BAD_FRAME: the message has no frame"),
        (&[0x04, 5, 1], "BAD_FRAME: byte 0 of the message: half a frame"),
        (&[0xe0, 0], "BAD_FRAME: byte 0 of the message: E0 is no kind of frame"),
        (&[0x43, 1, 7, 0x40, 1, 9], "BAD_FRAME: State: "),
        (&[0; 300 << 10], "TOO_LARGE: the message has 307200 bytes"),
    ];
    for (message, reason) in cases {
        let mut hub = Hub::open_as(Viewer::new("ws://hub.test/stream"));
        hub.send(message.to_vec());
        let events = hub.events();
        let Some(Event::Ended(Some(error))) = events.last() else { panic!("{events:?}") };
        assert!(error.to_string().starts_with(reason), "{error}");
    }
}
