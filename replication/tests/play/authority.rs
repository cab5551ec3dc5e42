//! Authority changes hands by messages: the table first, then the former owner, then the next one, who has it to the last bit.

use entitygraph_client::stream::view::Seen;
use entitygraph_replication::{config::Room, machine::Machine, message::Authority, replicant::Event};
use entitygraph_schema::{
    Epoch, testing,
    wire::{
        Handle, Kind, Role,
        control::message::{self, Code, follow},
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        report::{Head, ReportWriter},
    },
};
use glam::{DVec3, Vec3};

use crate::run::{FIRST, Run, ZONE_ID};

impl Run {
    fn decide(&mut self, authority: Authority) {
        self.replicant.handle(self.now, Event::Authority(authority), &mut self.out);
    }

    /// Reports a place under an epoch.
    fn place(&mut self, at: usize, epoch: u64, handle: Handle, place_m: DVec3) {
        self.pass(40_000);
        self.last_tick = self.now.tick();
        let peer = &mut self.peers[at];
        peer.batch += 1;
        let mut bytes = Vec::new();
        let head = Head { batch: peer.batch, tick: self.last_tick, last_of_tick: true };
        let mut report = ReportWriter::begin(&head, 1, &mut bytes);
        let mut group =
            report.group(Epoch::from_number(epoch), Handle::new(1).unwrap(), [handle].into_iter());
        let velocity_m_s = Some(Vec3::new(0.3, 0.0, 0.0));
        group.row(&ExactRow { position_m: Some(place_m), velocity_m_s, ..ExactRow::default() });
        group.end(&[], &[], &[]);
        report.end();
        let frame = Frames::new(&bytes, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        self.say_bytes(at, Kind::Report, frame.body.to_vec());
        self.pass(40_000);
    }

    fn seen(&mut self, at: usize, handle: Handle) -> Option<&Seen> {
        self.read_all(at);
        self.peers[at].view.entity(handle)
    }
}

const PLACE_M: DVec3 = DVec3::new(2.000_000_123, 1.0, 1.0);

#[test]
fn what_is_granted_is_had_to_the_last_bit_and_the_former_owner_writes_no_more() {
    let mut run = Run::quiet(Room::default());
    let (owner, handle) = (run.owner(), run.handle(FIRST + 4));
    let other = 1 - owner;
    let zone_epoch = run.peers[owner].grant.clone().unwrap().epoch;
    let area = Some(follow::Area::Zone(ZONE_ID));
    run.say(other, &message::Follow { number: 1, area, public_only: false });
    run.pass(100_000);
    run.read_all(other);
    run.pass(100_000);
    run.read_all(other);
    run.place(owner, zone_epoch, handle, PLACE_M);
    let rounded = run.seen(other, handle).unwrap().position_m.unwrap();
    assert!(rounded != PLACE_M && rounded.distance(PLACE_M) < 0.02, "a client view is rounded: {rounded}");

    let (anchor, epoch) = (testing::entity_id(FIRST + 4), Epoch::from_number(zone_epoch + 7));
    let connection = run.peers[other].connection.unwrap();
    let (post, carry) = ("ship".to_owned(), vec![1, 2, 3].into());
    run.decide(Authority::Grant { anchor, connection, epoch, post, carry, carry_lost: false });
    run.pass(100_000);
    assert_eq!(run.seen(other, handle).unwrap().position_m, Some(PLACE_M));
    let grant = run.peers[other].grant.clone().unwrap();
    assert_eq!((grant.handle, grant.epoch, &grant.post[..]), (handle.get(), epoch.number(), "ship"));
    assert_eq!(grant.carry, [1, 2, 3]);

    // The zone's owner may write everything else, the next one this and nothing else.
    run.place(owner, zone_epoch, handle, DVec3::ONE);
    run.place(other, epoch.number(), run.handle(FIRST), DVec3::ONE);
    for at in [owner, other] {
        run.read_all(at);
        let told = run.peers[at].notices.iter().rfind(|notice| notice.code() == Code::StaleEpoch);
        let holds = if at == owner { epoch.number() } else { zone_epoch };
        assert_eq!(told.map(|notice| notice.epoch), Some(holds));
    }
    let viewer = run.peers.len() - 1;
    assert!(run.seen(viewer, handle).unwrap().position_m.unwrap().distance(PLACE_M) < 0.02);
    run.place(other, epoch.number(), handle, DVec3::new(3.0, 1.0, 1.0));
    assert!(run.seen(viewer, handle).unwrap().position_m.unwrap().x > 2.9);
    assert!(run.seen(owner, handle).is_some_and(|seen| seen.entity.id == anchor), "the zone is its");
}

#[test]
fn what_is_revoked_is_nobody_s_until_it_is_granted_under_a_higher_epoch() {
    let mut run = Run::quiet(Room::default());
    let (owner, handle) = (run.owner(), run.handle(FIRST));
    let grant = run.peers[owner].grant.clone().unwrap();
    let anchor = testing::entity_id(ZONE_ID);
    let connection = run.peers[owner].connection.unwrap();
    let epoch = Epoch::from_number(grant.epoch + 1);
    run.decide(Authority::Revoke { anchor, epoch, post: "other".into() });
    run.pass(100_000);
    run.read_all(owner);
    let revoked = run.peers[owner].revoked.clone().unwrap();
    assert_eq!((revoked.handle, revoked.epoch, revoked.client_view), (grant.handle, epoch.number(), false));
    assert!(run.seen(owner, handle).is_none(), "it follows nothing there");
    run.place(owner, grant.epoch, handle, DVec3::ONE);
    let viewer = run.peers.len() - 1;
    assert!(run.seen(viewer, handle).unwrap().position_m.unwrap().x < 0.1);
    // A decision from before it changes nothing, the next one does.
    run.peers[owner].grant = None;
    for (number, granted) in [(grant.epoch, false), (epoch.number(), false), (epoch.number() + 1, true)] {
        let (post, carry, epoch) = (String::new(), Default::default(), Epoch::from_number(number));
        run.decide(Authority::Grant { anchor, connection, epoch, post, carry, carry_lost: true });
        for _ in 0..4 {
            run.pass(100_000);
            run.read_all(owner);
        }
        let told = run.peers[owner].grant.as_ref();
        assert_eq!(told.map(|grant| (grant.epoch, grant.carry_lost)), granted.then_some((number, true)));
    }
}
