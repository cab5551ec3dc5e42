//! The map down to the systems: universe > spaces > regions > constellations > systems.
//!
//! Bounds come from content (the export's own are wrong), and parents go before children, so a region is held back until
//! all its systems are read: some dozens, a few megabytes.

use std::{collections::BTreeMap, io, mem, ops::ControlFlow};

use entitygraph_schema::{EntityId, NewEntity, Pose};
use glam::DVec3;

use super::{
    components::{Area, Landmark as LandmarkValues, Region as RegionValues},
    extent::Extent,
    mapper::{Mapper, number},
    output::{Output, origin, pose},
    reading::Reading,
    spaces::{self, FIRST_LANDMARK, NEW_EDEN, SPACES, Space},
    system,
};
use crate::{
    eve::{Constellation, Entry, Landmark, Position, Region, SolarSystem, folders::folder, universe},
    load::Origin,
};

/// A zone that others stand in, and where its origin is in the universe.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub zone: EntityId,
    pub origin: Position,
}

/// Reads the map and sends it.
pub(super) fn send(reading: &mut Reading, mapper: &mut Mapper<'_>, out: &mut Output) -> io::Result<()> {
    roots(mapper, out);
    let mut plan = Plan {
        regions: reading.collect(|_, entry: Entry<Region>| (folder(&entry.at.file).into(), entry))?,
        constellations: reading
            .collect(|_, entry: Entry<Constellation>| (folder(&entry.at.file).into(), entry))?,
    };
    let mut open = Open::default();
    let flow = reading.each(|_, entry: Entry<SolarSystem>| {
        let constellation = folder(folder(&entry.at.file));
        let region = folder(constellation);
        if *open.folder != *region {
            plan.send(mem::take(&mut open), mapper, out);
            open.folder = region.into();
        }
        open.systems.entry(constellation.into()).or_default().push(entry);
        if out.closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if flow.is_break() {
        return Ok(());
    }
    plan.send(open, mapper, out);
    while let Some(folder) = plan.without_systems() {
        plan.send(Open { folder, ..Open::default() }, mapper, out);
    }
    let landmarks: Vec<Entry<Landmark>> = reading.collect(|_, entry| entry)?;
    for entry in landmarks {
        let at = origin(&entry.at);
        out.entity(at, landmark(mapper, entry));
    }
    mapper.finish(&mut reading.account, out);
    out.flush();
    Ok(())
}

/// The root and the spaces, which the export does not describe.
fn roots(mapper: &Mapper<'_>, out: &mut Output) {
    let root = spaces::universe().map_err(|error| error.to_string()).and_then(|bounds| {
        let kind = mapper.kinds.universe.clone();
        let new = mapper.entity(NEW_EDEN.get(), Some("New Eden"), kind, None, None)?;
        Ok(NewEntity { zone: Some(bounds), ..new })
    });
    out.entity(Origin::file("universe"), root);
    for (space, ordinal) in SPACES.iter().zip(0..) {
        let entity = space.bounds().map_err(|error| error.to_string()).and_then(|bounds| {
            let (kind, pose) = (mapper.kinds.space.clone(), Some(Pose::IDENTITY));
            let new = mapper.entity(space.id.get(), Some(space.name), kind, Some(NEW_EDEN), pose)?;
            Ok(NewEntity { zone: Some(bounds), ordinal, ..new })
        });
        out.entity(Origin::file(format!("universe/{}", space.folder)), entity);
    }
}

/// A region whose systems are being read.
#[derive(Default)]
struct Open {
    folder: Box<str>,
    /// Systems by the folder of their constellation.
    systems: BTreeMap<Box<str>, Vec<Entry<SolarSystem>>>,
}

/// Regions and constellations by their folders, until their systems were read.
struct Plan {
    regions: BTreeMap<Box<str>, Entry<Region>>,
    constellations: BTreeMap<Box<str>, Entry<Constellation>>,
}

impl Plan {
    /// The folder of a region that has not been sent, or of the region of such a constellation.
    fn without_systems(&self) -> Option<Box<str>> {
        let region = self.regions.keys().next().cloned();
        region.or_else(|| self.constellations.keys().next().map(|path| folder(path).into()))
    }

    /// Sends a region with all that is in it. What lies in a region or constellation that could not be read stands in
    /// what is around that, until a later ingest finds it mended.
    fn send(&mut self, open: Open, mapper: &mut Mapper<'_>, out: &mut Output) {
        let Open { folder: path, mut systems } = open;
        if path.is_empty() {
            return;
        }
        let space = universe(&path).and_then(Space::of);
        let around = Frame { zone: space.map_or(NEW_EDEN, |space| space.id), origin: Position::default() };
        let region = self.regions.remove(&path);
        let frame = region.as_ref().and_then(|entry| frame(entry.id, entry.record.center)).unwrap_or(around);
        for constellation in self.constellations.keys().filter(|other| folder(other) == &*path) {
            systems.entry(constellation.clone()).or_default();
        }
        let mut extent = Extent::default();
        let mut parts = Vec::new();
        for (path, systems) in systems {
            let part = Part::of(self.constellations.remove(&path), systems, frame);
            extent.holds(offset(part.frame.origin, frame), part.extent);
            parts.push(part);
        }
        if let Some(entry) = region {
            let at = origin(&entry.at);
            out.entity(at, self::region(mapper, entry, around, extent));
        }
        for part in parts {
            part.send(frame, space, mapper, out);
        }
    }
}

/// A constellation and its systems. Without a record of the constellation they stand in the region.
struct Part {
    constellation: Option<Entry<Constellation>>,
    systems: Vec<Entry<SolarSystem>>,
    frame: Frame,
    extent: Extent,
}

impl Part {
    fn of(
        constellation: Option<Entry<Constellation>>,
        systems: Vec<Entry<SolarSystem>>,
        around: Frame,
    ) -> Self {
        let own = constellation.as_ref().and_then(|entry| frame(entry.id, entry.record.center));
        let frame = own.unwrap_or(around);
        let mut extent = Extent::default();
        for system in &systems {
            extent.ball(offset(system.record.center, frame), system.record.reach());
        }
        Self { constellation, systems, frame, extent }
    }

    fn send(self, around: Frame, space: Option<&Space>, mapper: &mut Mapper<'_>, out: &mut Output) {
        if let Some(entry) = self.constellation {
            let at = origin(&entry.at);
            out.entity(at, constellation(mapper, entry, around, self.extent));
        }
        for entry in self.systems {
            let center = entry.record.center;
            if let Some(space) = space
                && !space.holds(center)
            {
                let message = format!(
                    "the system lies outside of the bounds of {}: {center:?}; it is taken over, but questions for the \
                     zone at a point will not find it",
                    space.name
                );
                out.problem(origin(&entry.at), message);
            }
            system::send(mapper, entry, self.frame, out);
        }
    }
}

fn frame(id: u64, origin: Position) -> Option<Frame> {
    Some(Frame { zone: EntityId::new(id)?, origin })
}

/// Where a point of the universe is in a frame.
fn offset(point: Position, frame: Frame) -> DVec3 {
    DVec3::from(point.0) - DVec3::from(frame.origin.0)
}

fn region(
    mapper: &Mapper<'_>,
    entry: Entry<Region>,
    around: Frame,
    extent: Extent,
) -> Result<NewEntity, String> {
    let record = entry.record;
    let pose = pose(record.center, around.origin)?;
    let kind = mapper.kinds.region.clone();
    let mut new = mapper.entity(entry.id, mapper.name(entry.id), kind, Some(around.zone), Some(pose))?;
    new.zone = Some(extent.bounds().map_err(|error| error.to_string())?);
    let area = Area {
        center: Some(record.center),
        min: Some(record.min),
        max: Some(record.max),
        faction_id: number(record.faction_id),
        faction: mapper.faction(record.faction_id),
        wormhole_class_id: number(record.wormhole_class_id),
        name_id: number(record.name_id),
        description_id: number(record.description_id),
        radius: None,
    };
    mapper.words.Area.write(&mut new.components, area);
    mapper.words.Region.write(&mut new.components, RegionValues { nebula: number(record.nebula) });
    Ok(new)
}

fn constellation(
    mapper: &Mapper<'_>,
    entry: Entry<Constellation>,
    around: Frame,
    extent: Extent,
) -> Result<NewEntity, String> {
    let record = entry.record;
    let pose = pose(record.center, around.origin)?;
    let kind = mapper.kinds.constellation.clone();
    let mut new = mapper.entity(entry.id, mapper.name(entry.id), kind, Some(around.zone), Some(pose))?;
    new.zone = Some(extent.bounds().map_err(|error| error.to_string())?);
    let area = Area {
        center: Some(record.center),
        min: Some(record.min),
        max: Some(record.max),
        radius: Some(record.radius),
        faction_id: number(record.faction_id),
        faction: mapper.faction(record.faction_id),
        wormhole_class_id: number(record.wormhole_class_id),
        name_id: number(record.name_id),
        description_id: None,
    };
    mapper.words.Area.write(&mut new.components, area);
    Ok(new)
}

/// A sight of known space. It has no name: the export has only the number of one.
fn landmark(mapper: &Mapper<'_>, entry: Entry<Landmark>) -> Result<NewEntity, String> {
    /// After the regions.
    const ORDINAL: i64 = 1;
    let (key, record) = (entry.id, entry.record);
    let id = FIRST_LANDMARK.checked_add(key).ok_or("the number is too large")?;
    let space = SPACES[0].id;
    let pose = pose(record.position, Position::default())?;
    let kind = mapper.kinds.landmark.clone();
    let name = format!("Landmark {key}");
    let mut new = mapper.entity(id, Some(&name), kind, Some(space), Some(pose))?;
    new.ordinal = ORDINAL;
    let values = LandmarkValues {
        location: record.location_id.and_then(EntityId::new),
        icon_id: number(record.icon_id),
        name_id: number(record.name_id),
        description_id: number(record.description_id),
    };
    mapper.words.Landmark.write(&mut new.components, values);
    Ok(new)
}
