//! What peers do, and what happens to them.

use bytes::Bytes;
use entitygraph_replication::message::{Connection, Up};
use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind, Role,
        control::{
            Control,
            message::{self, Code},
        },
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        report::{Head, ReportWriter},
        variable::{put_cleared, put_value},
    },
};
use glam::{DVec3, Quat};

use crate::*;

impl Run {
    pub fn report(&mut self) {
        let server = &self.peers[0];
        let (connection, Some(grant)) = (server.connection, server.grant.clone()) else { return };
        if server.detached {
            return;
        }
        let tick = self.now.tick() - 1;
        if tick <= self.last_tick {
            return;
        }
        let mut rows = Vec::new();
        for (handle, seen) in server.view.entities() {
            let Some(at) = self.history.motions.iter().position(|(id, _)| *id == seen.entity.id) else {
                continue;
            };
            if self.random.u8(..3) > 0 {
                continue;
            }
            let places = &mut self.history.motions[at].1;
            let (_, last) = places[places.len() - 1];
            let by = match self.random.u8(..10) {
                0 => -last.place_m * 0.5,
                1 => DVec3::ZERO,
                _ => DVec3::new(self.random.f64() * 8.0 - 4.0, self.random.f64() * 8.0 - 4.0, 0.0),
            };
            let position_m = Some(last.place_m + by);
            let rotation = (self.random.u8(..4) == 0).then(|| Quat::from_rotation_x(self.random.f32()));
            let velocity_m_s = (self.random.u8(..4) == 0).then_some(by.as_vec3());
            let motion = Motion {
                place_m: last.place_m + by,
                rotation: rotation.unwrap_or(last.rotation),
                velocity_m_s: velocity_m_s.unwrap_or(last.velocity_m_s),
            };
            places.push((self.now.moment(), motion));
            let mut variables = Vec::new();
            for number in 0..self.history.classes.len() as u32 {
                if self.random.u8(..6) > 0 {
                    continue;
                }
                let value = any_value(&mut self.random, seen.entity.id, number, &self.history);
                match &value {
                    Some(value) => put_value(number, value, None, &mut variables),
                    None => put_cleared(number, &mut variables),
                }
                let values = self.history.values.get_mut(&(seen.entity.id, number)).unwrap();
                values.push((self.now.moment(), value));
            }
            rows.push((handle, position_m, rotation, velocity_m_s, variables));
        }
        rows.sort_by_key(|(handle, ..)| *handle);
        (self.batch, self.last_tick) = (self.batch + 1, tick);
        let mut bytes = Vec::new();
        let mut report =
            ReportWriter::begin(&Head { batch: self.batch, tick, last_of_tick: true }, 1, &mut bytes);
        let zone = Handle::new(grant.handle).unwrap();
        let mut group =
            report.group(Epoch::from_number(grant.epoch), zone, rows.iter().map(|(handle, ..)| *handle));
        for (_, position_m, rotation, velocity_m_s, variables) in rows {
            let variables = (!variables.is_empty()).then_some(&variables[..]);
            group.row(&ExactRow { position_m, rotation, velocity_m_s, variables });
        }
        group.end(&[], &[], &[]);
        report.end();
        let frame = Frames::new(&bytes, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        self.up(Up::Frame { connection, kind: Kind::Report, body: Bytes::copy_from_slice(frame.body) });
    }

    pub fn answer(&mut self, peer: usize) {
        if self.peers[peer].detached {
            return;
        }
        let connection = self.peers[peer].connection;
        if let Some(ready) = self.peers[peer].ready.pop_front() {
            self.say(connection, &ready);
        }
        let seq = self.peers[peer].view.seen();
        self.say(connection, &message::Seen { seq });
    }

    /// The socket is lost, and the hub knows.
    pub fn detach(&mut self, peer: usize) {
        self.lose(peer);
        let connection = self.peers[peer].connection;
        self.up(Up::Detached(connection));
    }

    /// The socket is lost, and with it the end of what was on its way.
    fn lose(&mut self, peer: usize) {
        let arrives = self.random.usize(..=self.peers[peer].inbox.len());
        let peer = &mut self.peers[peer];
        for message in peer.inbox.drain(arrives..) {
            for frame in Frames::new(&message.concat(), Limits::down(peer.role)).unwrap() {
                let frame = frame.unwrap();
                // Notices are not said again: what a batch that timed out had is missing.
                peer.late |= matches!(
                    Control::read(frame.kind, frame.body),
                    Ok(Control::Notice(notice)) if notice.code() == Code::BatchTimeout
                );
            }
        }
        (peer.detached, peer.full, peer.grant) = (true, false, None);
    }

    pub fn resume(&mut self, peer: usize) {
        while !self.peers[peer].inbox.is_empty() {
            self.read(peer);
        }
        self.connections += 1;
        let new = Connection { core: 0, slot: self.connections, generation: 1 };
        let peer = &mut self.peers[peer];
        let old = std::mem::replace(&mut peer.connection, new);
        (peer.detached, peer.grant) = (false, None);
        peer.ready = peer.view.loading().map(|batch| message::Ready { batch, failed: Vec::new() }).collect();
        let (seen, horizon_moment) = (peer.view.seen(), peer.view.horizon());
        let server = matches!((peer.role, peer.area), (Role::Server, Area::None));
        let knows = peer.view.variables().get(0).is_some();
        self.up(Up::Resumed { old, new, seen, horizon_moment, batch: self.batch });
        if !knows {
            self.say(new, &message::CatalogWanted::default());
        }
        if server {
            self.say(new, &message::Register::default());
        }
    }

    pub fn fill(&mut self, peer: usize, full: bool) {
        let connection = self.peers[peer].connection;
        if self.peers[peer].full != full && !self.peers[peer].detached {
            self.peers[peer].full = full;
            self.up(if full { Up::Full(connection) } else { Up::Takes(connection) });
        }
    }

    pub fn step(&mut self) {
        let peer = self.random.usize(..self.peers.len());
        match self.random.u8(..40) {
            0..10 => self.report(),
            10..20 => self.read(peer),
            20..27 => self.answer(peer),
            27 if peer > 0 => self.fill(peer, true),
            28 | 29 => self.fill(peer, false),
            // 64 ticks are 2.1 s: longer than that no slice reaches back. Batches have 10 s.
            30 if self.random.u8(..4) == 0 => self.pass(2_500_000),
            31 if peer > 0 && self.random.u8(..3) == 0 => {
                let gone = self.peers.remove(peer);
                self.up(Up::Gone(gone.connection));
                self.join(gone.role, gone.number, gone.area);
            }
            32 if self.random.u8(..3) == 0 => match self.peers[peer].detached {
                true => self.resume(peer),
                false if self.random.bool() => self.detach(peer),
                // It comes back before the hub knows that it was away.
                false => {
                    self.lose(peer);
                    self.resume(peer);
                }
            },
            33 if matches!(self.peers[peer].area, Area::Sphere(_)) && !self.peers[peer].detached => {
                let point =
                    DVec3::new(self.random.f64() * 160.0 - 80.0, self.random.f64() * 160.0 - 80.0, 0.0);
                let area = Area::Sphere(point);
                let peer = &mut self.peers[peer];
                (peer.area, peer.followed) = (area, false);
                let connection = peer.connection;
                if self.random.bool() {
                    self.say(connection, &message::Unfollow { number: 7 });
                }
                self.say(connection, &area.follow());
            }
            _ => {
                let us = self.random.u64(..12_000);
                self.pass(us);
            }
        }
        self.send();
    }

    /// Everything is read, answered and taken, until nothing is to be said any more.
    pub fn settle(&mut self) {
        for _ in 0..400 {
            for peer in 0..self.peers.len() {
                if self.peers[peer].detached {
                    self.resume(peer);
                }
                self.fill(peer, false);
                while !self.peers[peer].inbox.is_empty() {
                    self.read(peer);
                }
                self.answer(peer);
                while !self.peers[peer].ready.is_empty() {
                    self.answer(peer);
                }
            }
            self.send();
            self.pass(5_000);
        }
    }
}
