//! Rows of the index, as bytes. All numbers are big-endian.
//!
//! | row | key | value |
//! | --- | --- | --- |
//! | placed entity | [`PLACED`], zone 8, layer 4, level 1, code 24, entity 8 | position 3 x 8, radius 8 |
//! | zone host | [`HOST`], zone around it 8, level 1, code 24, host 8 | position 3 x 8, rotation 4 x 8, reach 2 x 8, bounds 6 x 8 |
//!
//! A zone host has a row of each kind: as an entity to be found, and as a zone to be entered. The rows of one zone, layer
//! and size level stand together, in Morton order of their cells. Keys say where to look, values hold what decides.

use entitygraph_schema::{Aabb, EntityId, Layer, Pose};
use glam::{DQuat, DVec3};

use super::{
    cell::{Cell, Level},
    morton::{self, CODE_BYTES},
    reach::Reach,
};

/// First byte of the rows of entities with a pose.
pub const PLACED: u8 = 0x60;
/// First byte of the rows of zone hosts.
pub const HOST: u8 = 0x61;

/// Level, code and id.
const TAIL_BYTES: usize = 1 + CODE_BYTES + 8;

/// An entity with a pose, as the index knows it. It has a row for as long as it has a pose, rewritten when any of these
/// changes; when [`Self::key`] changed with it, the row under the old key is deleted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// The innermost zone host above it.
    pub zone: EntityId,
    /// The entity's layer.
    pub layer: Layer,
    /// Which.
    pub entity: EntityId,
    /// In the zone.
    pub position: DVec3,
    /// Bounding radius in metres.
    pub radius: f64,
}

impl Placed {
    /// Where its row is.
    pub fn key(&self) -> Vec<u8> {
        let level = Level::of(self.position, self.radius);
        key(&placed_prefix(self.zone, self.layer), level, Cell::at(level, self.position), self.entity.get())
    }

    /// What its row holds.
    pub fn value(&self) -> [u8; 32] {
        let mut value = [0; 32];
        write(&mut value, self.position.to_array().into_iter().chain([self.radius]));
        value
    }
}

/// A zone host inside another zone, as the index knows it. World roots have no row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// The innermost zone host above it.
    pub zone: EntityId,
    /// Which.
    pub entity: EntityId,
    /// In the zone; a host without a pose of its own is where that which it rides with is.
    pub pose: Pose,
    /// How far its inside reaches.
    pub reach: Reach,
    /// Bounds of its zone, in its own frame.
    pub bounds: Aabb,
}

impl Host {
    /// Where its row is.
    pub fn key(&self) -> Vec<u8> {
        let level = Level::of(self.pose.translation(), self.reach.metres().max(self.bounds.reach()));
        key(&host_prefix(self.zone), level, Cell::at(level, self.pose.translation()), self.entity.get())
    }

    /// What its row holds.
    pub fn value(&self) -> [u8; 120] {
        let mut value = [0; 120];
        let pose = self.pose.translation().to_array().into_iter().chain(self.pose.rotation().to_array());
        let bounds = self.bounds.min().to_array().into_iter().chain(self.bounds.max().to_array());
        let reach = [self.reach.metres(), self.reach.largest()];
        write(&mut value, pose.chain(reach).chain(bounds));
        value
    }

    /// Reads a value; none if it cannot be one.
    pub(super) fn read(zone: EntityId, entity: EntityId, value: &[u8]) -> Option<Self> {
        let [px, py, pz, rx, ry, rz, rw, reach, largest, ax, ay, az, bx, by, bz] = read(value)?;
        Some(Self {
            zone,
            entity,
            pose: Pose::new(DVec3::new(px, py, pz), DQuat::from_xyzw(rx, ry, rz, rw)).ok()?,
            reach: Reach::of(reach, largest)?,
            bounds: Aabb::new(DVec3::new(ax, ay, az), DVec3::new(bx, by, bz)).ok()?,
        })
    }
}

/// Reads position and radius of a placed entity; none if the value cannot hold them.
pub fn read_placed(value: &[u8]) -> Option<(DVec3, f64)> {
    let [x, y, z, radius] = read(value)?;
    let position = DVec3::new(x, y, z);
    (position.is_finite() && radius >= 0.0).then_some((position, radius))
}

/// What the keys of the placed entities of a zone and layer begin with.
pub(super) fn placed_prefix(zone: EntityId, layer: Layer) -> Vec<u8> {
    [&[PLACED][..], &zone.get().to_be_bytes(), &layer.number().to_be_bytes()].concat()
}

/// What the keys of the hosts in a zone begin with.
pub(super) fn host_prefix(zone: EntityId) -> Vec<u8> {
    [&[HOST][..], &zone.get().to_be_bytes()].concat()
}

/// The key of a row; id 0 is before the first row of the cell.
pub(super) fn key(prefix: &[u8], level: Level, cell: Cell, id: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + TAIL_BYTES);
    key.extend_from_slice(prefix);
    key.push(level.byte());
    key.extend_from_slice(&morton::encode(cell));
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// Reads what follows the prefix of a key; none if it cannot be that.
pub(super) fn read_key(prefix_len: usize, key: &[u8]) -> Option<(Level, Cell, EntityId)> {
    let tail: &[u8; TAIL_BYTES] = key.get(prefix_len..)?.try_into().ok()?;
    let (code, id) = tail[1..].split_first_chunk::<CODE_BYTES>()?;
    let id = u64::from_be_bytes(id.try_into().ok()?);
    Some((Level::from_byte(tail[0])?, morton::decode(*code), EntityId::new(id)?))
}

fn write(value: &mut [u8], numbers: impl Iterator<Item = f64>) {
    for (bytes, number) in value.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_be_bytes());
    }
}

fn read<const N: usize>(value: &[u8]) -> Option<[f64; N]> {
    let (numbers, rest) = value.as_chunks::<8>();
    let numbers: &[[u8; 8]; N] = numbers.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(f64::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EntityId {
        EntityId::new(number).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn mug() -> Placed {
        Placed {
            zone: id(0x0102),
            layer: Layer::from_number(7),
            entity: id(u64::MAX),
            position: DVec3::new(1.0, -2.0, 0.25),
            radius: 0.05,
        }
    }

    fn ship() -> Host {
        Host {
            zone: id(1),
            entity: id(2),
            pose: Pose::new(DVec3::new(-4096.0, 0.0, 8192.0), DQuat::from_xyzw(1.0, 0.0, 0.0, 0.0)).unwrap(),
            reach: Reach::of_entity(&Pose::IDENTITY, 0.0),
            bounds: Aabb::cube(100.0).unwrap(),
        }
    }

    #[test]
    fn the_bytes_of_a_placed_entity_stay_as_they_are() {
        assert_eq!(
            hex(&mug().key()),
            "60\
             0000000000000102\
             00000007\
             3f\
             a92492492492492492492492492492492492492492494040\
             ffffffffffffffff"
        );
        assert_eq!(hex(&mug().value()), "3ff0000000000000c0000000000000003fd00000000000003fa999999999999a");
    }

    #[test]
    fn the_bytes_of_a_host_stay_as_they_are() {
        assert_eq!(
            hex(&ship().key()),
            "61\
             0000000000000001\
             3a\
             724924924924924924924924924924924924924924b00000\
             0000000000000002"
        );
        assert_eq!(
            hex(&ship().value()),
            "c0b0000000000000000000000000000040c0000000000000\
             3ff0000000000000000000000000000000000000000000000000000000000000\
             00000000000000000000000000000000\
             c059000000000000c059000000000000c059000000000000\
             405900000000000040590000000000004059000000000000"
        );
    }

    #[test]
    fn rows_give_back_what_was_written() {
        let (mug, ship) = (mug(), ship());
        let (_, _, entity) = read_key(13, &mug.key()).unwrap();
        assert_eq!(entity, mug.entity);
        assert_eq!(read_placed(&mug.value()), Some((mug.position, mug.radius)));
        assert_eq!(Host::read(ship.zone, ship.entity, &ship.value()), Some(ship));
    }

    #[test]
    fn damaged_rows_are_no_rows() {
        let (mug, ship) = (mug(), ship());
        assert_eq!(read_key(13, &mug.key()[..45]), None);
        assert_eq!(read_placed(&mug.value()[..31]), None);
        assert_eq!(read_placed(&[0xFF; 32]), None);
        assert_eq!(Host::read(ship.zone, ship.entity, &[0; 120]), None);
    }

    #[test]
    fn larger_things_come_first_and_a_step_within_a_cell_changes_only_the_value() {
        let moved = |x: f64, radius: f64| Placed { position: DVec3::new(x, 0.0, 0.0), radius, ..mug() };
        assert!(moved(0.0, 300e3).key() < moved(0.0, 1.0).key());
        assert_eq!(moved(1.1, 1.0).key(), moved(1.9, 1.0).key());
        assert_ne!(moved(1.1, 1.0).value(), moved(1.9, 1.0).value());
        assert_ne!(moved(1.9, 1.0).key(), moved(2.0, 1.0).key());
        assert_eq!(moved(0.0, 1.0).key(), moved(-0.0, 1.0).key());
    }
}
