//! Inputs (protocol.md, "Input"): the newest of each character goes to its owner, which says which one it used.

use entitygraph_schema::wire::{
    Kind,
    control::message::Code,
    input::{Applied, PlayerInput, put_inputs},
    report::Used,
};

use super::{
    Replicant,
    batch::notice,
    hot::{Hot, Index},
    out::Out,
};

/// What a player's hands do.
#[derive(Debug, Default)]
pub struct Hands {
    /// Number and content of the newest input.
    newest: Option<(u64, Vec<u8>)>,
    /// The highest that the owner used, and that is to be said.
    used: u64,
    told: u64,
    /// Characters of which this session, a server, is to be given the newest input.
    due: Vec<Index>,
}

impl Hands {
    /// Whether anything is to be sent.
    pub fn has_some(&self) -> bool {
        self.used > self.told || !self.due.is_empty()
    }

    /// Forgets what was to be sent to a socket that is gone.
    pub fn detach(&mut self) {
        self.due.clear();
        self.told = 0;
    }
}

impl Replicant {
    /// Takes an input of a player. One that is not newer is passed over.
    pub(super) fn input(&mut self, observer: u32, body: &[u8], out: &mut Out) {
        let input = match PlayerInput::read(body) {
            Ok(input) => input,
            Err(error) => return self.close(observer, Code::BadFrame, error.to_string(), out),
        };
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let character =
            who.character.filter(|index| who.entered && Hot::handle(*index) == Some(input.character));
        let Some(character) = character else {
            let reason = format!("handle {} is not your character", input.character);
            return self.tell(observer, &notice(Code::NotSeen, reason, Kind::Input, input.number));
        };
        let hands = &mut who.hands;
        if hands.newest.as_ref().is_some_and(|(newest, _)| input.number <= *newest) {
            return;
        }
        let (newest, content) = hands.newest.get_or_insert_default();
        *newest = input.number;
        content.clear();
        content.extend_from_slice(input.content);
        self.hand_on(character);
    }

    /// Has the newest input of a character given to its owner.
    pub(super) fn hand_on(&mut self, character: Index) {
        let owner = self.table.of(self.hot.chain(character)).and_then(|(_, anchor)| anchor.owner);
        let Some(owner) = owner else { return };
        if let Some(Some(to)) = self.observers.get_mut(owner as usize)
            && !to.hands.due.contains(&character)
        {
            to.hands.due.push(character);
        }
        self.due(owner);
    }

    /// Has the newest input of each character given again: when what somebody owns has changed.
    pub(super) fn hand_on_all(&mut self) {
        let characters: Vec<Index> = self
            .observers
            .iter()
            .flatten()
            .filter(|who| who.hands.newest.is_some())
            .filter_map(|who| who.character)
            .collect();
        characters.into_iter().for_each(|character| self.hand_on(character));
    }

    /// An owner used an input: the player is told before the next state that has it.
    pub(super) fn used(&mut self, used: &Used) -> bool {
        let observer = self.hot.index(used.character).and_then(|index| self.hot.observer[index]);
        let Some(observer) = observer else { return true };
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return true };
        if who.hands.newest.as_ref().is_none_or(|(newest, _)| used.number > *newest) {
            return false;
        }
        who.hands.used = who.hands.used.max(used.number);
        self.due(observer);
        true
    }

    /// Puts what is to be said of inputs into the message that is open.
    pub(super) fn put_inputs(&mut self, observer: u32, moment: u64, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let hands = &mut who.hands;
        if hands.used > hands.told {
            hands.told = hands.used;
            let mut bytes = Vec::new();
            Applied { moment: moment as u16, number: hands.used }.put_frame(&mut bytes);
            out.put_own(bytes.into());
        }
        if hands.due.is_empty() || !who.grants.is_empty() {
            return;
        }
        let due = std::mem::take(&mut hands.due);
        let inputs = due.iter().filter_map(|index| {
            let player = self.hot.observer[*index]?;
            let (number, content) = self.observers.get(player as usize)?.as_ref()?.hands.newest.as_ref()?;
            Some(PlayerInput { character: Hot::handle(*index)?, number: *number, content })
        });
        let inputs: Vec<PlayerInput<'_>> = inputs.collect();
        for part in inputs.chunks(INPUTS) {
            let mut bytes = Vec::new();
            put_inputs(part, &mut bytes);
            out.put_own(bytes.into());
        }
    }
}

/// Inputs in one frame: at most 270 bytes each.
const INPUTS: usize = 200;
