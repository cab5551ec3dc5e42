//! Moves the demo's world through the service as a game server would: bodies on their orbits, ships between stations and
//! through jump points. Every step is one transaction.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use entitygraph::Graph;
use entitygraph_schema::{
    Catalog, Entity, EntityId, Kind, Label, LinkKind, NewPose, Operation, Patch, Pose, Transaction, Value,
    query::{Facet, PageRequest},
};
use entitygraph_store::Error;
use glam::DVec3;
use tokio_util::sync::CancellationToken;

use super::orbit::Orbit;

/// Time between two steps.
const STEP: Duration = Duration::from_millis(250);
/// Seconds of the world in a second of the demo: Io turns in a minute, the Earth in three days.
const TIME_SCALE: f64 = 2_500.0;
/// Seconds of the demo that a flight takes, however far it goes.
const FLIGHT_SECONDS: f64 = 20.0;
/// Seconds of the demo that a ship stays in dock.
const DOCK_SECONDS: f64 = 6.0;
/// Ships with this label stay where they are.
const MOORED: &str = "moored";

/// Moves until cancelled. What cannot be moved any more, because somebody changed the world, is looked up again.
pub async fn run(graph: Graph, stop: CancellationToken) {
    let mut beat = tokio::time::interval(STEP);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut mover: Option<Mover> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let step = async {
            let mut current = match mover.take() {
                Some(mover) => mover,
                None => Mover::new(&graph, now).await?,
            };
            current.step(&graph, now).await?;
            anyhow::Ok(current)
        };
        match step.await {
            Ok(current) => mover = Some(current),
            Err(error) if matches!(error.downcast_ref(), Some(Error::Refused(_))) => {
                tracing::info!(
                    "the world was changed by somebody else ({error:#}), looking again at what moves"
                );
            }
            Err(error) => tracing::error!("the demo could not move its world: {error:#}"),
        }
    }
}

struct Mover {
    bodies: Vec<(EntityId, Orbit)>,
    ships: Vec<Ship>,
    stations: Vec<EntityId>,
    jump: LinkKind,
    steps: u64,
}

struct Ship {
    id: EntityId,
    state: State,
}

enum State {
    /// In a station, until then.
    Docked { until: f64 },
    /// On the way through a system to a station or a jump point in it.
    Flying { system: EntityId, from: DVec3, to: EntityId, began: f64, goal: EntityId },
}

impl Mover {
    /// Looks up what moves.
    async fn new(graph: &Graph, now: f64) -> Result<Self> {
        let catalog = graph.catalog();
        let mut bodies = Vec::new();
        for kind in ["planet", "dwarf_planet", "moon", "station"] {
            for entity in of_kind(graph, kind).await? {
                bodies.extend(orbit_of(&catalog, &entity).map(|orbit| (entity.id, orbit)));
            }
        }
        let stations: Vec<_> = of_kind(graph, "station").await?.iter().map(|station| station.id).collect();
        let moored = Label::new(MOORED)?;
        let mut ships = Vec::new();
        for (index, ship) in of_kind(graph, "ship").await?.into_iter().enumerate() {
            let at_home =
                matches!(graph.zone_host(ship.id).await?, Some(zone) if stations.contains(&zone.id));
            if !ship.labels.contains(&moored) && !stations.is_empty() {
                // Not all at once.
                let wait = index as f64 * 1.5;
                let until = if at_home { now + wait } else { now };
                ships.push(Ship { id: ship.id, state: State::Docked { until } });
            }
        }
        Ok(Self { bodies, ships, stations, jump: LinkKind::new("jump")?, steps: 0 })
    }

    /// One step: everything that moves, in one transaction.
    async fn step(&mut self, graph: &Graph, now: f64) -> Result<()> {
        self.steps += 1;
        let time = now * TIME_SCALE;
        let mut operations: Vec<_> =
            self.bodies.iter().map(|(id, orbit)| moved(*id, orbit.position(time))).collect::<Result<_>>()?;
        let mut ships = std::mem::take(&mut self.ships);
        for ship in &mut ships {
            if let Some((state, operation)) = self.fly(graph, ship, now).await? {
                operations.push(operation);
                ship.state = state;
            }
        }
        self.ships = ships;
        if !operations.is_empty() {
            graph.commit(Transaction::of(operations)).await?;
        }
        Ok(())
    }

    /// What a ship does now.
    async fn fly(&self, graph: &Graph, ship: &Ship, now: f64) -> Result<Option<(State, Operation)>> {
        let (system, from, to, began, goal) = match &ship.state {
            State::Docked { until } if now < *until => return Ok(None),
            State::Docked { .. } => return self.depart(graph, ship, now).await.map(Some),
            State::Flying { system, from, to, began, goal } => (*system, *from, *to, *began, *goal),
        };
        let flown = ((now - began) / FLIGHT_SECONDS).clamp(0.0, 1.0);
        let target = position(graph, to, system).await?;
        if flown < 1.0 {
            // Gently away and gently in.
            let eased = flown * flown * (3.0 - 2.0 * flown);
            let state = State::Flying { system, from, to, began, goal };
            return Ok(Some((state, moved(ship.id, from.lerp(target, eased))?)));
        }
        if to == goal {
            let state = State::Docked { until: now + DOCK_SECONDS };
            let berth = berth(graph, ship.id, goal).await?;
            let pose = NewPose::At(berth);
            return Ok(Some((
                state,
                Operation::Reparent { entity: ship.id, parent: goal, port: None, pose },
            )));
        }
        // At a jump point: on the other side the flight goes on.
        let other = self.other_side(graph, to).await?.context("a jump point that leads nowhere")?;
        let system = zone_of_kind(graph, other, "system").await?;
        let exit = position(graph, other, system).await?;
        let to = self.next_stop(graph, system, goal).await?;
        let state = State::Flying { system, from: exit, to, began: now, goal };
        let pose = NewPose::At(Pose::at(exit)?);
        Ok(Some((state, Operation::Reparent { entity: ship.id, parent: system, port: None, pose })))
    }

    /// Leaves for another station.
    async fn depart(&self, graph: &Graph, ship: &Ship, now: f64) -> Result<(State, Operation)> {
        let here = graph.entity(ship.id).await?.and_then(|ship| ship.placement.parent);
        let choices: Vec<_> =
            self.stations.iter().copied().filter(|station| Some(*station) != here).collect();
        let turn = ship.id.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ self.steps.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let goal = *choices
            .get((turn >> 33) as usize % choices.len().max(1))
            .context("no other station to fly to")?;
        let system = zone_of_kind(graph, ship.id, "system").await?;
        let from = position(graph, ship.id, system).await?;
        let to = self.next_stop(graph, system, goal).await?;
        let state = State::Flying { system, from, to, began: now, goal };
        let operation =
            Operation::Reparent { entity: ship.id, parent: system, port: None, pose: NewPose::KeepWorld };
        Ok((state, operation))
    }

    /// The goal itself, or the jump point that leads towards its system.
    async fn next_stop(&self, graph: &Graph, system: EntityId, goal: EntityId) -> Result<EntityId> {
        let destination = zone_of_kind(graph, goal, "system").await?;
        if destination == system {
            return Ok(goal);
        }
        let route = graph.route(system, destination, &self.jump).await?;
        let first = route.and_then(|route| route.hops.first().map(|hop| hop.from));
        first.ok_or_else(|| anyhow!("no jump point leads from system {system} to {destination}"))
    }

    async fn other_side(&self, graph: &Graph, point: EntityId) -> Result<Option<EntityId>> {
        let links = graph.links(point, PageRequest::first(10)).await?;
        let jump = links.rows.iter().find(|(link, _)| link.kind == self.jump);
        Ok(jump.map(|(link, _)| link.other(point)))
    }
}

fn moved(id: EntityId, to: DVec3) -> Result<Operation> {
    let patch = Patch { pose: Some(Some(Pose::at(to)?)), ..Patch::default() };
    Ok(Operation::Change(id, patch))
}

/// Where the entity is in a zone around it.
async fn position(graph: &Graph, id: EntityId, zone: EntityId) -> Result<DVec3> {
    let pose = graph.pose_in(id, Some(zone)).await?;
    Ok(pose.with_context(|| format!("entity {id} is in another world than {zone}"))?.translation())
}

/// A place in a station for a ship: its own, so that two never share one.
async fn berth(graph: &Graph, ship: EntityId, station: EntityId) -> Result<Pose> {
    let radius = graph.entity(station).await?.map_or(1_000.0, |station| station.radius.max(100.0));
    let angle = (ship.get() % 360) as f64 * std::f64::consts::TAU / 360.0;
    Ok(Pose::at(DVec3::new(angle.cos(), angle.sin(), 0.0) * radius * 0.8)?)
}

/// The nearest entity of this kind above.
async fn zone_of_kind(graph: &Graph, id: EntityId, kind: &str) -> Result<EntityId> {
    let above = graph.ancestors(id).await?;
    let found = above.iter().find(|entity| entity.kind.as_str() == kind);
    found.map(|entity| entity.id).with_context(|| format!("entity {id} is in no {kind}"))
}

async fn of_kind(graph: &Graph, kind: &str) -> Result<Vec<std::sync::Arc<Entity>>> {
    let page = PageRequest::first(graph.config().limits.page_rows);
    let found = graph.find(None, &[Facet::Kind(Kind::new(kind)?)], page).await?;
    let ids: Vec<_> = found.rows.into_iter().map(|(id, _)| id).collect();
    Ok(graph.existing(&ids).await?)
}

/// The orbit of an entity that has the component `orbit`.
fn orbit_of(catalog: &Catalog, entity: &Entity) -> Option<Orbit> {
    let component = catalog.registry.by_name("orbit")?;
    let effective = catalog.registry.with_defaults(&catalog.effective(entity));
    let values: HashMap<_, _> = effective.0.get(&component.id)?.iter().collect();
    let number = |name: &str| match values.get(&component.variable(name)?.id)? {
        Value::Float(value) => Some(*value),
        _ => None,
    };
    Some(Orbit {
        semi_major_axis: number("semi_major_axis_m")?,
        eccentricity: number("eccentricity")?,
        inclination: number("inclination_deg")?.to_radians(),
        ascending_node: number("ascending_node_deg")?.to_radians(),
        argument_of_periapsis: number("argument_of_periapsis_deg")?.to_radians(),
        mean_anomaly: number("mean_anomaly_deg")?.to_radians(),
        period: number("period_s")?,
    })
}
