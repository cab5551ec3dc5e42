use super::*;

const SECOND_US: u64 = 1_000_000;
const INCARNATION: u64 = 1_000 * SECOND_US;
const NOW_US: u64 = INCARNATION;
const RESUME_US: u64 = 300 * SECOND_US;

fn key() -> ShardKey {
    ShardKey::new(&[1; 32]).unwrap()
}

fn at(slot: u32) -> Connection {
    Connection { core: 0, slot, generation: 1 }
}

fn bearer(subject: &str, role: Role) -> Bearer {
    Bearer { subject: subject.into(), role, until_us: None }
}

struct Test {
    sessions: Sessions,
    now_us: u64,
    gone: Vec<Connection>,
}

impl Test {
    fn new(sessions_max: usize) -> Self {
        let sessions = Sessions::new(key(), INCARNATION, RESUME_US, sessions_max);
        Self { sessions, now_us: NOW_US, gone: Vec::new() }
    }

    fn login(&mut self, slot: u32, subject: &str, role: Role) -> Result<Begun, Refusal> {
        self.sessions.login(self.now_us, bearer(subject, role), at(slot), &mut self.gone)
    }

    fn resume(&mut self, slot: u32, token: &[u8]) -> Result<Begun, Code> {
        self.resume_of(slot, token, INCARNATION)
    }

    fn resume_of(&mut self, slot: u32, token: &[u8], incarnation: u64) -> Result<Begun, Code> {
        let token = Token::read(token, &key()).expect("a token of this shard");
        let resumed = self.sessions.resume(self.now_us, token, incarnation, at(slot), &mut self.gone);
        resumed.map_err(|refusal| refusal.code)
    }

    fn ends(&mut self, number: u64, slot: u32, event: Event) -> Act {
        self.sessions.ended(self.now_us, number, at(slot), event, 9)
    }

    fn after(&mut self, seconds: u64) -> Vec<Connection> {
        self.now_us += seconds * SECOND_US;
        self.sessions.second(self.now_us, &mut self.gone);
        std::mem::take(&mut self.gone)
    }
}

#[test]
fn a_lost_session_goes_on_where_it_was_and_each_token_works_once() {
    let mut test = Test::new(9);
    let first = test.login(1, "ada", Role::Server).unwrap();
    assert_eq!(test.ends(first.number, 1, Event::Lost), Act::Keep);
    let second = test.resume(2, &first.token).unwrap();
    assert_eq!((second.number, second.resumed, second.replaced), (first.number, Some(at(1)), None));
    assert_eq!((second.role, second.batch), (Role::Server, 9));
    assert_eq!(test.resume(3, &first.token), Err(Code::ResumeUsed));
    // Nobody noticed: the live connection is not touched.
    assert_eq!(
        test.sessions.renewed(test.now_us, first.number, at(2)).map(|token| token.is_empty()),
        Some(false)
    );
    assert_eq!(test.ends(second.number, 2, Event::Lost), Act::Keep);
    assert!(test.resume(4, &second.token).is_ok());
}

#[test]
fn a_token_below_one_that_was_used_is_refused_whoever_brings_it() {
    let mut test = Test::new(9);
    let first = test.login(1, "ada", Role::Player).unwrap();
    let stolen = first.token;
    let newer = test.sessions.renewed(test.now_us, first.number, at(1)).unwrap();
    assert!(test.resume(2, &newer).is_ok());
    assert_eq!(test.resume(3, &stolen), Err(Code::ResumeUsed));
}

#[test]
fn a_live_session_that_is_resumed_elsewhere_replaces_the_connection() {
    let mut test = Test::new(9);
    let first = test.login(1, "ada", Role::Player).unwrap();
    let second = test.resume(2, &first.token).unwrap();
    assert_eq!((second.resumed, second.replaced, second.gone), (Some(at(1)), Some(at(1)), None));
    assert_eq!(
        test.ends(first.number, 1, Event::Left),
        Act::Nothing,
        "the old connection ends, not the session"
    );
    assert_eq!(test.sessions.counts(), (1, 0));
    assert_eq!(test.sessions.renewed(test.now_us, first.number, at(1)), None);
}

#[test]
fn a_new_login_ends_the_session_that_the_player_had_and_no_others() {
    let mut test = Test::new(9);
    let first = test.login(1, "ada", Role::Player).unwrap();
    test.login(2, "ada", Role::Viewer).unwrap();
    test.login(3, "bob", Role::Player).unwrap();
    let second = test.login(4, "ada", Role::Player).unwrap();
    assert_eq!((second.replaced, second.gone), (Some(at(1)), Some(at(1))));
    assert_eq!(test.resume(5, &first.token), Err(Code::SessionGone));
    test.ends(second.number, 4, Event::Lost);
    let third = test.login(6, "ada", Role::Player).unwrap();
    assert_eq!((third.replaced, third.gone), (None, Some(at(4))), "a detached one has nothing to close");
    assert_eq!(test.sessions.counts(), (3, 2));
}

#[test]
fn detached_sessions_end_after_their_time_and_those_that_came_back_do_not() {
    let mut test = Test::new(9);
    let lost = test.login(1, "ada", Role::Player).unwrap();
    let back = test.login(2, "bob", Role::Player).unwrap();
    test.ends(lost.number, 1, Event::Lost);
    test.ends(back.number, 2, Event::Lost);
    assert_eq!(test.after(200), []);
    let back = test.resume(3, &back.token).unwrap();
    test.ends(back.number, 3, Event::Lost);
    assert_eq!(test.after(99), []);
    assert_eq!(test.after(1), [at(1)]);
    assert_eq!(test.resume(4, &lost.token), Err(Code::SessionGone), "its token ran out as well");
    assert_eq!(test.after(199), []);
    assert_eq!(test.after(1), [at(3)]);
    assert_eq!(test.sessions.counts(), (0, 0));
    assert!(test.sessions.players.is_empty() && test.sessions.ends.is_empty());
}

#[test]
fn another_start_of_the_hub_takes_the_first_good_token_and_then_only_higher_ones() {
    let mut test = Test::new(9);
    let mut before = Test::new(9);
    before.sessions = Sessions::new(key(), INCARNATION - 60 * SECOND_US, RESUME_US, 9);
    let first = before.login(1, "ada", Role::Server).unwrap();
    let newer = before.sessions.renewed(before.now_us, first.number, at(1)).unwrap();
    let taken = test.resume_of(1, &newer, INCARNATION - 60 * SECOND_US).unwrap();
    assert_eq!((taken.number, taken.resumed, taken.role), (first.number, None, Role::Server));
    assert_eq!(test.resume(2, &first.token), Err(Code::ResumeUsed));
    assert_eq!(test.resume(2, &newer), Err(Code::ResumeUsed));
    // It ended here: its tokens of before bring it back no more.
    let next = test.sessions.renewed(test.now_us, first.number, at(1)).unwrap();
    assert_eq!(test.ends(first.number, 1, Event::Left), Act::Forget);
    assert_eq!(test.resume(2, &next), Err(Code::SessionGone));
    assert!(test.login(3, "bob", Role::Player).unwrap().number > first.number);
}

#[test]
fn what_is_bound_of_another_incarnation_is_bound_anew() {
    let mut test = Test::new(9);
    let first = test.login(1, "ada", Role::Player).unwrap();
    let second = test.resume_of(2, &first.token, INCARNATION - 1).unwrap();
    assert_eq!((second.resumed, second.replaced, second.gone), (None, Some(at(1)), Some(at(1))));
    assert_eq!(second.number, first.number);
}

#[test]
fn a_token_runs_out_with_time_and_with_the_login() {
    let mut test = Test::new(9);
    let until_us = Some(NOW_US + 10 * SECOND_US);
    let short = Bearer { until_us, ..bearer("ada", Role::Player) };
    let begun = test.sessions.login(NOW_US, short, at(1), &mut Vec::new()).unwrap();
    let token = Token::read(&begun.token, &key()).unwrap();
    assert_eq!((token.expires_us, token.until_us), (NOW_US + 40 * SECOND_US, until_us));
    test.ends(begun.number, 1, Event::Lost);
    test.now_us += 40 * SECOND_US;
    assert_eq!(test.resume(2, &begun.token), Err(Code::SessionGone));
}

#[test]
fn when_all_places_are_taken_who_is_detached_for_longest_makes_room() {
    let mut test = Test::new(3);
    for slot in 1..=3 {
        test.login(slot, "npc", Role::Server).unwrap();
    }
    assert_eq!(test.login(4, "npc", Role::Server).map_err(|refusal| refusal.code), Err(Code::Busy));
    test.ends(INCARNATION + 2, 2, Event::Lost);
    test.now_us += 1;
    test.ends(INCARNATION + 1, 1, Event::Lost);
    test.login(4, "npc", Role::Server).unwrap();
    assert_eq!(std::mem::take(&mut test.gone), [at(2)]);
    assert_eq!(test.sessions.counts(), (2, 1));
}

#[test]
fn coming_and_going_for_ever_keeps_nothing() {
    let mut test = Test::new(4);
    let mut begun = test.login(1, "ada", Role::Player).unwrap();
    for slot in 2..1_000 {
        test.now_us += 1;
        test.ends(begun.number, slot - 1, Event::Lost);
        begun = test.resume(slot, &begun.token).unwrap();
    }
    assert!(test.sessions.ends.len() <= 9 && test.sessions.table.len() == 1);
}
