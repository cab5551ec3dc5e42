//! A game server as the simulation has it: it reports what it was granted, loads what it is told to, stops when it is asked.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use entitygraph_replication::atlas::message::Move;
use entitygraph_schema::{EntityId, Epoch};

use crate::hub::{Down, Up};

pub struct Server {
    pub name: &'static str,
    pub post: Option<&'static str>,
    pub alive: bool,
    /// Its connection, never the same twice; also its session's number.
    pub connection: Option<u64>,
    /// It goes on with what is taken from it.
    pub deaf: bool,
    /// By its own clock: it stops by itself when this is over.
    pub lease_until_us: u64,
    grants: BTreeMap<EntityId, Epoch>,
    except: BTreeSet<EntityId>,
    parents: BTreeMap<EntityId, EntityId>,
    frozen: BTreeMap<EntityId, Move>,
    /// Stops at the end of this tick.
    freezing: BTreeMap<EntityId, Move>,
    ticks: BTreeMap<EntityId, u64>,
    /// What no variable holds, by ship: how many ticks it lived.
    pub lived: BTreeMap<EntityId, u64>,
    crossed_us: BTreeMap<EntityId, u64>,
    /// The epoch of the grant that made a ship its own: kept until it is not.
    under: BTreeMap<EntityId, Epoch>,
}

impl Server {
    pub fn new(name: &'static str, post: Option<&'static str>) -> Self {
        Self {
            name,
            post,
            alive: true,
            connection: None,
            deaf: false,
            lease_until_us: 0,
            grants: BTreeMap::new(),
            except: BTreeSet::new(),
            parents: BTreeMap::new(),
            frozen: BTreeMap::new(),
            freezing: BTreeMap::new(),
            ticks: BTreeMap::new(),
            lived: BTreeMap::new(),
            crossed_us: BTreeMap::new(),
            under: BTreeMap::new(),
        }
    }

    /// A new session owns nothing.
    pub fn connect(&mut self, connection: u64, parents: BTreeMap<EntityId, EntityId>) -> Up {
        *self = Self {
            connection: Some(connection),
            alive: true,
            lease_until_us: u64::MAX,
            parents,
            deaf: self.deaf,
            ..Self::new(self.name, self.post)
        };
        Up::Register { post: self.post, standby: self.post.is_none() }
    }

    /// What it believes that it has, and the epoch of that.
    pub fn has(&self, root: EntityId) -> Option<Epoch> {
        let mut newest = None;
        let path = std::iter::successors(Some(root), |id| self.parents.get(id).copied());
        for id in path {
            newest = newest.max(self.grants.get(&id).copied());
            if self.except.contains(&id) {
                break;
            }
        }
        newest
    }

    pub fn simulates(&self, root: EntityId) -> bool {
        self.has(root).is_some() && !self.frozen.contains_key(&root)
    }

    pub fn down(&mut self, down: Down) -> Option<Up> {
        match down {
            Down::Revoke(root, _) if self.deaf => {
                self.frozen.remove(&root);
                None
            }
            Down::Changed(..) if self.deaf => None,
            Down::Grant(grant, except) => {
                let inside = |id: &EntityId| {
                    std::iter::successors(Some(*id), |id| self.parents.get(id).copied())
                        .any(|id| id == grant.root)
                };
                let granted: Vec<_> = self.except.iter().copied().filter(inside).collect();
                for id in granted.into_iter().filter(|id| !except.contains(id)) {
                    self.except.remove(&id);
                }
                self.except.extend(except);
                self.grants.insert(grant.root, grant.epoch);
                self.frozen.remove(&grant.root);
                if let Some(tick) = grant.after_tick {
                    self.ticks.insert(grant.root, tick);
                }
                if let Some(carry) = grant.carry {
                    self.lived.insert(grant.root, u64::from_le_bytes(carry[..].try_into().unwrap()));
                }
                None
            }
            Down::Revoke(root, epoch) => {
                // What came from there by a command goes on under the grant of the place that it is in.
                self.under.retain(|_, under| *under != epoch);
                // A newer grant of its own stands.
                if self.grants.get(&root).is_none_or(|own| *own <= epoch) {
                    self.grants.remove(&root);
                    self.except.insert(root);
                    self.frozen.remove(&root);
                }
                None
            }
            Down::Taken => Some(Up::Register { post: None, standby: true }),
            Down::Prepare(number) => Some(Up::Prepared(number)),
            Down::Freeze(root, number) => {
                self.freezing.insert(root, number);
                None
            }
            Down::Abort(number) => {
                self.freezing.retain(|_, of| *of != number);
                self.frozen.retain(|_, of| *of != number);
                None
            }
            Down::Changed(root, parent) => {
                self.parents.insert(root, parent);
                None
            }
        }
    }

    /// One tick: reports, and what stops at its end.
    pub fn tick(
        &mut self,
        now_us: u64,
        tick: u64,
        ships: &[EntityId],
        wishes: &BTreeMap<EntityId, EntityId>,
    ) -> Vec<Up> {
        let mut ups = Vec::new();
        for root in ships {
            match self.has(*root) {
                Some(epoch) => {
                    let under = self.under.entry(*root).or_default();
                    *under = epoch.max(*under);
                }
                None => {
                    self.under.remove(root);
                }
            }
            let Some(epoch) = self.has(*root).filter(|_| self.simulates(*root)) else { continue };
            let epoch = self.under.get(root).copied().unwrap_or(epoch);
            let last = self.ticks.entry(*root).or_default();
            if tick <= *last {
                continue;
            }
            *last = tick;
            *self.lived.entry(*root).or_default() += 1;
            ups.push(Up::Report { root: *root, epoch, tick });
            let crossed_us = self.crossed_us.entry(*root).or_default();
            if let Some(zone) = wishes.get(root)
                && now_us >= *crossed_us + 500_000
            {
                *crossed_us = now_us;
                ups.push(Up::Cross { root: *root, zone: *zone });
            }
        }
        for (root, number) in std::mem::take(&mut self.freezing) {
            let carry = Bytes::copy_from_slice(&self.lived.get(&root).copied().unwrap_or(0).to_le_bytes());
            self.frozen.insert(root, number);
            ups.push(Up::Frozen {
                root,
                number,
                tick: self.ticks.get(&root).copied().unwrap_or(tick),
                carry,
            });
        }
        ups
    }
}
