//! Judges a store that was opened after a crash.
//!
//! The judge knows the scripts of all writers. It applies each transaction that the store's change sequence names to the
//! reference model (the memory store), and demands that both have the same commits, bit for bit. From the commits it
//! works out the world as it has to be, and demands that the store has that one. So what is there is whole, in one order
//! and without gaps; the writers' reports say what has to be there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use entitygraph_schema::{
    Change, Commit, Cursor, Entity, EntityId, Transaction,
    query::{Extent, PageRequest},
};
use entitygraph_store::{Feed, MemoryConfig, MemoryStore, Store, keyed::KeyedStore};
use entitygraph_tests::crash::{
    self,
    report::Report,
    script::{self, Load, Script},
};

/// Commits compared at a time.
const STEP: usize = 500;

/// See the module.
pub struct Judge {
    scripts: Vec<Script>,
    model: MemoryStore,
    /// Where each transaction is in the change sequence.
    places: HashMap<(u32, u64), Cursor>,
    leases: Vec<(u64, u64)>,
}

impl Judge {
    /// Knows the scripts of so many writers.
    pub fn new(seed: u64, load: Load, writers: u32) -> Self {
        Self {
            scripts: (0..writers).map(|writer| Script::new(seed, writer, load)).collect(),
            model: MemoryStore::with(MemoryConfig { begin: crash::BEGIN, retained_commits: usize::MAX }),
            places: HashMap::new(),
            leases: Vec::new(),
        }
    }

    /// The number of each writer's first transaction that is not in the store.
    pub fn positions(&self) -> Vec<u64> {
        self.scripts.iter().map(Script::position).collect()
    }

    /// Demands that a store is sound and has everything that its writer reported; returns its newest commit.
    pub async fn examine(&mut self, store: &KeyedStore, report: &Report) -> Result<Cursor> {
        let faults = store.check().await?;
        ensure!(
            faults.is_empty(),
            "{} faults in the rows: {:#?}",
            faults.len(),
            &faults[..faults.len().min(10)]
        );
        let newest = *store.newest().borrow();
        let mut world = BTreeMap::new();
        for commit in self.follow(store, crash::BEGIN, newest).await? {
            replay(&commit, &mut world)?;
        }
        self.compare(store, world).await?;
        for ((writer, number), cursor) in &report.acknowledged {
            let place = self.places.get(&(*writer, *number)).filter(|place| **place <= newest);
            ensure!(
                place.map(|place| place.number()) == Some(*cursor),
                "transaction {number} of writer {writer} was acknowledged as {cursor}, found is {place:?} of {newest}"
            );
        }
        ensure!(newest.number() >= report.synced, "synced up to {}, found are {newest}", report.synced);
        Ok(newest)
    }

    /// Demands that leased ids are never leased again.
    pub fn count_leases(&mut self, report: &Report) -> Result<()> {
        for (first, count) in &report.leases {
            let meets =
                self.leases.iter().find(|(other, many)| first < &(other + many) && other < &(first + count));
            ensure!(meets.is_none(), "ids {first} and {} more were leased after {meets:?}", count - 1);
            self.leases.push((*first, *count));
        }
        Ok(())
    }

    /// Asks again, as a client does that heard nothing: what is there is told and not done twice, what is not is done
    /// once.
    pub async fn ask_again(&mut self, store: &KeyedStore, report: &Report) -> Result<()> {
        for (writer, (number, _)) in report.last() {
            let next = number + 1;
            let transaction = self.transaction(writer, next)?;
            let before = *store.newest().borrow();
            let first = store.commit(transaction.clone()).await?.0;
            match self.places.get(&(writer, next)) {
                Some(place) => ensure!(
                    first.replayed && first.cursor == *place,
                    "transaction {next} of writer {writer} is {place}, again it became {first:?}"
                ),
                None => ensure!(
                    !first.replayed && first.cursor == before.next(),
                    "transaction {next} of writer {writer} was not there after {before}, then it became {first:?}"
                ),
            }
            let second = store.commit(transaction).await?.0;
            ensure!(second.replayed && second.cursor == first.cursor, "asked twice: {first:?}, {second:?}");
            self.follow(store, before, *store.newest().borrow()).await?;
        }
        Ok(())
    }

    /// A transaction of a writer, in its own words.
    fn transaction(&self, writer: u32, number: u64) -> Result<Transaction> {
        let script = self.scripts.get(writer as usize).context("an unknown writer")?;
        if number == script.position() {
            return Ok(script.clone().advance());
        }
        let mut script = script.restarted();
        loop {
            let position = script.position();
            let transaction = script.advance();
            if position == number {
                return Ok(transaction);
            }
        }
    }

    /// Compares the commits of the store after `at` with the model's, and returns them.
    async fn follow(
        &mut self,
        store: &KeyedStore,
        mut at: Cursor,
        newest: Cursor,
    ) -> Result<Vec<Arc<Commit>>> {
        let mut followed = Vec::new();
        while at < newest {
            let Feed::Commits(commits) = store.changes(at, STEP).await? else {
                anyhow::bail!("the change sequence does not go on after {at}");
            };
            ensure!(!commits.is_empty(), "the change sequence ends at {at} of {newest}");
            for commit in commits {
                ensure!(commit.cursor == at.next(), "commit {} follows {at}", commit.cursor);
                self.expect(&commit).await?;
                at = commit.cursor;
                followed.push(commit);
            }
        }
        Ok(followed)
    }

    /// Demands that the model made the same commit of the same transaction.
    async fn expect(&mut self, commit: &Commit) -> Result<()> {
        if commit.cursor > *self.model.newest().borrow() {
            let id = commit.operation_id.as_ref().context("a commit without an operation id")?;
            let transaction = if id.as_str() == script::SETUP {
                script::setup()
            } else {
                let (writer, number) =
                    Script::read_operation_id(id).with_context(|| format!("who wrote {id}?"))?;
                let script =
                    self.scripts.get_mut(writer as usize).with_context(|| format!("who wrote {id}?"))?;
                let next = script.position();
                ensure!(number == next, "writer {writer} left out {next}, its next commit is {number}");
                self.places.insert((writer, number), commit.cursor);
                script.advance()
            };
            self.model.commit(transaction).await?;
        }
        let before = Cursor::from_number(commit.cursor.number() - 1);
        let Feed::Commits(expected) = self.model.changes(before, 1).await? else {
            anyhow::bail!("the model keeps everything");
        };
        let expected =
            expected.first().with_context(|| format!("the model has no commit {}", commit.cursor))?;
        ensure!(
            **expected == *commit,
            "commit {} differs:\n{commit:?}\nexpected:\n{expected:?}",
            commit.cursor
        );
        Ok(())
    }

    /// Demands that the store has this world and nothing else.
    async fn compare(&self, store: &KeyedStore, mut world: BTreeMap<EntityId, Entity>) -> Result<()> {
        if world.is_empty() {
            return Ok(());
        }
        for group in script::groups() {
            let found = store.entities(&group).await?.value;
            let members: Vec<_> = found.iter().flatten().map(|member| &member.components).collect();
            let equal = members.len() == group.len() && members.windows(2).all(|pair| pair[0] == pair[1]);
            ensure!(equal, "a half transaction: the members of {group:?} differ");
        }
        let mut page = PageRequest::first(PageRequest::MAX_FIRST);
        loop {
            let found = store.subtree(script::world(), Extent::All, page.clone()).await?.value;
            for (entity, after) in found.rows {
                let expected = world.remove(&entity.id);
                ensure!(expected.as_ref() == Some(&*entity), "found {entity:?}\nexpected {expected:?}");
                page.after = Some(after);
            }
            if !found.more {
                break;
            }
        }
        ensure!(world.is_empty(), "not found: {:?}", world.keys());
        Ok(())
    }
}

fn replay(commit: &Commit, world: &mut BTreeMap<EntityId, Entity>) -> Result<()> {
    for change in &commit.changes {
        match change {
            Change::Created(entity) => {
                ensure!(
                    world.insert(entity.id, (**entity).clone()).is_none(),
                    "{} was created twice",
                    entity.id
                );
            }
            Change::Changed { entity, delta, .. } => {
                let entity = world
                    .get_mut(entity)
                    .with_context(|| format!("{entity} was changed and does not exist"))?;
                ensure!(delta.apply(entity), "{} was changed backwards", entity.id);
            }
            // What was created in the same transaction is told as buried only.
            Change::Buried(entity) => drop(world.remove(&entity.id)),
            Change::Component(_)
            | Change::Container(_)
            | Change::Linked(_)
            | Change::Unlinked { .. }
            | Change::Entombed(_) => {}
        }
    }
    Ok(())
}
