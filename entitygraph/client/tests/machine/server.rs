//! Game servers: what they may write, until when, and each action once.

use entitygraph_client::stream::{
    event::{Event, Taken},
    once::Receipt,
    peer::{Machine, Request},
    report::Report,
    server::Server,
};
use entitygraph_schema::wire::{
    Kind, Role,
    control::{
        Control,
        message::{self, Code},
    },
    report::{self, Outcome},
};
use glam::{DVec3, Vec3};

use crate::hub::{Hub, SECOND, handle_of};

const ZONE: u32 = 300;

fn hub(welcome: message::Welcome) -> Hub<Server> {
    let mut server = Server::new("ws://hub.test/stream");
    server.register(message::Register { post: "harbour".into(), ..Default::default() }).unwrap();
    let mut hub = Hub::greeted(server);
    hub.say(&hub.welcome(welcome));
    hub.events();
    let registered = hub.sent();
    assert!(
        registered
            .iter()
            .any(|sent| matches!(sent, Control::Register(register) if register.post == "harbour"))
    );
    hub.catalog();
    hub.bind(1, ZONE, &[4, 5]);
    hub.say(&message::Grant { handle: ZONE, epoch: 7, subtree: true, ..Default::default() });
    assert!(matches!(&hub.events()[..], [Event::Gained { handle, .. }] if *handle == handle_of(ZONE)));
    hub
}

fn moved(hub: &mut Hub<Server>, handles: &[u32]) -> Option<Report> {
    let mut report = hub.machine.begin_tick()?;
    for handle in handles {
        report.motion(handle_of(*handle), Some(DVec3::ONE), None, Some(Vec3::X)).unwrap();
    }
    Some(report)
}

/// Batch, tick, and per group epoch, zone, handles and numbers of actions.
type Read = (u64, u64, Vec<(u64, u32, Vec<u32>, Vec<u64>)>);

fn reports(hub: &mut Hub<Server>) -> Vec<Read> {
    let frames = hub.sent_frames();
    let reports = frames.iter().filter(|(kind, _)| *kind == Kind::Report).map(|(_, body)| {
        let report = report::Report::read(body).unwrap();
        let groups = report.groups().map(|group| {
            let handles = group.rows.map(|(handle, _)| handle.get()).collect();
            (
                group.epoch.number(),
                group.zone.get(),
                handles,
                group.receipts.map(|receipt| receipt.action).collect(),
            )
        });
        (report.head.batch, report.head.tick, groups.collect())
    });
    reports.collect()
}

fn action(number: u64, target: u32) -> message::Action {
    message::Action { number, target, session: 9, ..Default::default() }
}

fn tick(hub: &mut Hub<Server>) {
    hub.pass(33_333);
}

#[test]
fn a_tick_is_reported_once_under_the_epoch_of_the_grant() {
    let mut hub = hub(message::Welcome { batch: 40, ..Default::default() });
    let report = moved(&mut hub, &[5, 4]).unwrap();
    assert_eq!(report.tick(), 90_017);
    assert_eq!(hub.machine.report(&report).unwrap().batch, 41);
    assert!(hub.machine.begin_tick().is_none(), "of this tick all was said");
    assert_eq!(reports(&mut hub), [(41, 90_017, vec![(7, ZONE, vec![4, 5], vec![])])]);
    tick(&mut hub);
    assert_eq!(hub.machine.begin_tick().unwrap().tick(), 90_018);
}

#[test]
fn what_is_not_its_own_is_left_out_and_named() {
    let mut hub = hub(message::Welcome::default());
    let revoke = message::Revoke { handle: 5, epoch: 9, client_view: true, ..Default::default() };
    let report = moved(&mut hub, &[4, 5]).unwrap();
    hub.say(&revoke);
    assert!(matches!(&hub.events()[..], [Event::Taken { why: Taken::Revoked, .. }]));
    assert!(hub.machine.has_authority(handle_of(4)) && !hub.machine.has_authority(handle_of(5)));
    assert_eq!(hub.machine.report(&report).unwrap().left_out, [handle_of(5)]);
    assert_eq!(reports(&mut hub), [(1, 90_017, vec![(7, ZONE, vec![4], vec![])])]);
}

#[test]
fn a_lease_counts_from_when_the_answered_ping_was_sent_and_ends_by_itself() {
    let mut hub = hub(message::Welcome { lease_ms: 1_000, ..Default::default() });
    let begun = hub.now_us;
    assert_eq!(hub.machine.lease_end_us(), Some(begun + SECOND));
    // Answered after 200 ms: the lease counts from when it was sent.
    hub.pass(250_000);
    let sent = hub.now_us;
    hub.pass(200_000);
    hub.say(&message::Pong { sender_us: sent, shard_clock_us: 0, tick: 0 });
    assert_eq!(hub.events(), []);
    assert_eq!(hub.machine.lease_end_us(), Some(sent + SECOND));
    let report = moved(&mut hub, &[4]).unwrap();
    // Its process stands still: whatever it does next, it is over, before anybody told it so.
    hub.sent();
    hub.now_us = sent + SECOND;
    hub.machine.peer_mut().at(hub.now_us);
    assert!(!hub.machine.has_authority(handle_of(4)) && hub.machine.begin_tick().is_none());
    assert_eq!(hub.machine.report(&report).unwrap().left_out, [handle_of(4)]);
    let events = hub.events();
    let lost = matches!(&events[..], [Event::Taken { why: Taken::Lease, .. }, Event::Lost { .. }]);
    assert!(lost, "{events:?}");
    assert_eq!(hub.machine.next_request(), Some(Request::Close(4504)), "the hub has to grant it anew");
}

#[test]
fn a_server_that_comes_back_within_its_lease_never_stopped() {
    let mut hub = hub(message::Welcome { lease_ms: 60_000, ..Default::default() });
    hub.machine.peer_mut().closed(1006, "");
    assert!(matches!(&hub.events()[..], [Event::Lost { .. }]));
    assert!(
        hub.machine.has_authority(handle_of(4)) && hub.machine.begin_tick().is_none(),
        "it simulates, and says nothing"
    );
    hub.pass(SECOND);
    hub.open();
    hub.say(&hub.welcome(message::Welcome {
        resumed: true,
        batch: 3,
        lease_ms: 60_000,
        ..Default::default()
    }));
    assert!(matches!(&hub.events()[..], [Event::Begun(begun)] if begun.resumed));
    let sent = hub.sent();
    assert!(
        sent.iter().any(|sent| matches!(sent, Control::Register(_))),
        "nothing where it has the post: {sent:?}"
    );
    assert!(hub.machine.has_authority(handle_of(4)));
    let report = moved(&mut hub, &[4]).unwrap();
    assert_eq!(hub.machine.report(&report).unwrap().batch, 4, "after the last that was accepted");
}

#[test]
fn frozen_at_the_end_of_a_tick_it_is_written_no_more_until_it_is_off() {
    let mut hub = hub(message::Welcome::default());
    hub.say(&message::Freeze { r#move: 3, handle: 4, epoch: 7 });
    assert_eq!(hub.events(), [Event::Freeze { number: 3, handle: handle_of(4) }]);
    let report = moved(&mut hub, &[4, 5]).unwrap();
    assert_eq!(hub.machine.report(&report).unwrap().left_out, [], "its last tick");
    hub.machine.frozen(3, handle_of(4), b"aim".to_vec(), None).unwrap();
    let frames = hub.sent_frames();
    let kinds: Vec<Kind> = frames.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Report, Kind::Frozen], "behind its report");
    let Ok(Control::Frozen(frozen)) = Control::read(Kind::Frozen, &frames[1].1) else { panic!("Frozen") };
    assert_eq!((frozen.r#move, frozen.tick, &frozen.carry[..]), (3, 90_017, &b"aim"[..]));
    assert!(!hub.machine.has_authority(handle_of(4)) && hub.machine.has_authority(handle_of(5)));
    tick(&mut hub);
    let report = moved(&mut hub, &[4, 5]).unwrap();
    assert_eq!(hub.machine.report(&report).unwrap().left_out, [handle_of(4)]);
    hub.say(&message::Abort { r#move: 3, ..Default::default() });
    assert_eq!(hub.events(), [Event::Thawed(handle_of(4))]);
    assert!(hub.machine.has_authority(handle_of(4)));
}

#[test]
fn an_action_has_its_effect_once_and_its_receipt_in_the_same_report() {
    let mut hub = hub(message::Welcome::default());
    hub.say(&action(1, 4));
    hub.say(&action(1, 4));
    assert_eq!(hub.events(), [Event::Action(action(1, 4))]);
    let mut report = moved(&mut hub, &[4]).unwrap();
    report.judged(&action(1, 4), Outcome::Done, b"taken").unwrap();
    hub.machine.report(&report).unwrap();
    assert_eq!(reports(&mut hub), [(1, 90_017, vec![(7, ZONE, vec![4], vec![1])])]);
    // The report was lost with the socket: the hub sends the action again, and hears the receipt again, once.
    hub.say(&action(1, 4));
    hub.say(&action(1, 4));
    assert_eq!(hub.events(), []);
    tick(&mut hub);
    let report = moved(&mut hub, &[4]).unwrap();
    hub.machine.report(&report).unwrap();
    assert_eq!(reports(&mut hub), [(2, 90_018, vec![(7, ZONE, vec![4], vec![1])])]);
    tick(&mut hub);
    let report = moved(&mut hub, &[4]).unwrap();
    hub.machine.report(&report).unwrap();
    assert_eq!(reports(&mut hub), [(3, 90_019, vec![(7, ZONE, vec![4], vec![])])]);
}

#[test]
fn an_action_that_was_not_judged_when_authority_ended_is_new_when_it_comes_back() {
    let mut hub = hub(message::Welcome::default());
    hub.say(&action(1, 4));
    hub.say(&message::Revoke { handle: ZONE, epoch: 7, ..Default::default() });
    hub.say(&message::Grant { handle: ZONE, epoch: 8, subtree: true, ..Default::default() });
    hub.say(&action(1, 4));
    let given = hub.events().into_iter().filter(|event| matches!(event, Event::Action(_))).count();
    assert_eq!(given, 2);
    // A receipt of what is not the server's any more goes nowhere, and does not count as said.
    hub.say(&message::Revoke { handle: 4, epoch: 8, ..Default::default() });
    hub.events();
    let mut report = hub.machine.begin_tick().unwrap();
    report.judged(&action(1, 4), Outcome::Done, b"").unwrap();
    assert_eq!(hub.machine.report(&report).unwrap().left_out, [handle_of(4)]);
    hub.say(&message::Grant { handle: 4, epoch: 9, ..Default::default() });
    hub.say(&action(1, 4));
    assert!(hub.events().contains(&Event::Action(action(1, 4))));
}

#[test]
fn another_incarnation_takes_all_and_the_post_is_asked_for_again() {
    let mut hub = hub(message::Welcome::default());
    hub.reconnect();
    hub.say(&hub.welcome(message::Welcome { incarnation: 2, batch: 0, ..Default::default() }));
    let events = hub.events();
    let taken = events.iter().any(|event| matches!(event, Event::Taken { why: Taken::Session, .. }));
    assert!(taken && matches!(events.last(), Some(Event::Begun(begun)) if begun.reset), "{events:?}");
    assert!(!hub.machine.has_authority(handle_of(4)));
    let sent = hub.sent();
    assert!(
        sent.iter().any(|sent| matches!(sent, Control::Register(register) if register.post == "harbour")),
        "{sent:?}"
    );
}

#[test]
fn a_receipt_is_written_as_it_was_given() {
    let receipt =
        Receipt { session: 1, action: 2, target: handle_of(3), outcome: Outcome::Refused, answer: vec![7] };
    let wire = receipt.wire();
    assert_eq!((wire.session, wire.action, wire.target.get(), wire.answer), (1, 2, 3, &[7][..]));
    assert_eq!(Server::new("ws://hub.test/stream").peer().role(), Role::Server);
}

#[test]
fn a_post_that_another_server_took_meanwhile_is_lost_and_a_stale_report_is_not() {
    let mut hub = hub(message::Welcome::default());
    let notice = |code: Code, epoch| message::Notice { code: code.into(), epoch, ..Default::default() };
    hub.say(&notice(Code::StaleEpoch, 7));
    assert!(matches!(&hub.events()[..], [Event::Notice(_)]));
    assert!(hub.machine.has_authority(handle_of(4)));
    hub.say(&notice(Code::PostTaken, 0));
    assert!(matches!(&hub.events()[..], [Event::Taken { why: Taken::Revoked, .. }, Event::Notice(_)]));
    assert!(hub.machine.begin_tick().is_none());
}
