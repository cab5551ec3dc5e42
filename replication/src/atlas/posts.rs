//! Posts and the servers that have them.

use std::{collections::BTreeMap, sync::Arc};

use entitygraph_schema::wire::control::message::Code;

use super::{
    map::{Map, PostId},
    message::Session,
};

/// Who has which post.
#[derive(Debug)]
pub struct Posts {
    map: Arc<Map>,
    held: BTreeMap<PostId, Held>,
    servers: BTreeMap<Session, Server>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    by: Session,
    /// For as long as no server of its own is there.
    lent: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Server {
    draining: bool,
    standby: bool,
}

impl Posts {
    /// Nobody is there yet.
    pub fn new(map: Arc<Map>) -> Self {
        Self { map, held: BTreeMap::new(), servers: BTreeMap::new() }
    }

    /// Whether a session is there.
    pub fn knows(&self, session: Session) -> bool {
        self.servers.contains_key(&session)
    }

    /// Who has a post.
    pub fn holder(&self, post: PostId) -> Option<Session> {
        self.held.get(&post).map(|held| held.by)
    }

    /// Who has a post as its own.
    pub fn own(&self, post: PostId) -> Option<Session> {
        self.holder(post).filter(|_| !self.is_free(post))
    }

    /// The post that a session has; of several the first.
    pub fn of(&self, session: Session) -> Option<PostId> {
        self.held.iter().find(|(_, held)| held.by == session).map(|(post, _)| *post)
    }

    /// Whether a session is to be emptied.
    pub fn is_draining(&self, session: Session) -> bool {
        self.servers.get(&session).is_some_and(|server| server.draining)
    }

    /// A server is there, for a post, for any that is free, or as a standby.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_POST`, or `POST_TAKEN` by another one that is no stand-in.
    pub fn register(&mut self, session: Session, post: Option<&str>, standby: bool) -> Result<(), Code> {
        let post = match post {
            Some(name) => {
                let post = self.map.by_name(name).ok_or(Code::UnknownPost)?;
                if !self.is_free(post) && self.holder(post) != Some(session) {
                    return Err(Code::PostTaken);
                }
                Some(post)
            }
            None if standby => None,
            None => self.map.ids().find(|post| self.is_free(*post)),
        };
        self.servers.insert(session, Server { draining: false, standby: post.is_none() });
        if let Some(post) = post {
            self.held.insert(post, Held { by: session, lent: false });
        }
        Ok(())
    }

    /// A session is gone; whether it was there. Standbys take its posts.
    pub fn lost(&mut self, session: Session) -> bool {
        let there = self.servers.remove(&session).is_some();
        self.held.retain(|_, held| held.by != session);
        there
    }

    /// A session that was lost is there again, within its lease: it has its post unless somebody took it.
    pub fn back(&mut self, session: Session, post: PostId) {
        self.servers.entry(session).or_default();
        self.held.entry(post).or_insert(Held { by: session, lent: false });
    }

    /// A session is to be emptied: its posts go to others, as far as there are any.
    pub fn drain(&mut self, session: Session, draining: bool) {
        let Some(server) = self.servers.get_mut(&session) else { return };
        server.draining = draining;
        server.standby &= !draining;
        if draining {
            self.hand_on();
        }
    }

    /// Gives posts of those who are to be emptied to others, where there are any by now.
    pub fn hand_on(&mut self) {
        let leaving: Vec<PostId> =
            self.held.iter().filter(|(_, held)| self.is_draining(held.by)).map(|(post, _)| *post).collect();
        for post in leaving {
            if self.standby(post).is_none() && self.fallback(post).is_none() {
                // Any other will do: with the fewest posts, so that they are spread.
                let count = |session: &Session| self.held.values().filter(|held| held.by == *session).count();
                let others = self.servers.iter().filter(|(_, server)| !server.draining);
                let other =
                    others.map(|(session, _)| *session).min_by_key(|session| (count(session), *session));
                if let Some(by) = other {
                    self.held.insert(post, Held { by, lent: true });
                }
            }
        }
    }

    /// Who takes a post that has nobody: who has it, else a standby, which has it from now on.
    pub fn standby(&mut self, post: PostId) -> Option<Session> {
        if !self.is_free(post) {
            return self.holder(post);
        }
        let (session, server) =
            self.servers.iter_mut().find(|(_, server)| server.standby && !server.draining)?;
        server.standby = false;
        let by = *session;
        self.held.insert(post, Held { by, lent: false });
        Some(by)
    }

    /// Who stands in for a post that has nobody: whoever has it lent, else by the map's fallbacks.
    pub fn fallback(&mut self, post: PostId) -> Option<Session> {
        if let Some(held) = self.held.get(&post).filter(|held| !self.is_draining(held.by)) {
            return Some(held.by);
        }
        let next = |post: &PostId| self.map.post(*post).and_then(|post| post.fallback);
        let chain = std::iter::successors(next(&post), next).take(self.map.posts.len());
        let mut holders = chain.filter_map(|post| self.holder(post)).filter(|by| !self.is_draining(*by));
        let by = holders.next()?;
        self.held.insert(post, Held { by, lent: true });
        Some(by)
    }

    /// Whether a server of its own may take it.
    fn is_free(&self, post: PostId) -> bool {
        self.held.get(&post).is_none_or(|held| held.lent || self.is_draining(held.by))
    }
}
