//! Which zones a point is in.

use entitygraph_schema::{EntityId, Refusal, space::checked_point};
use glam::DVec3;

use super::{Host, MAX_ZONES, Rows, row, scan::scan_around};
use crate::error::Result;

/// Answers from the index alone, as [`crate::Store::zones_at`] says. Of zones with equally small bounds the one with the
/// lower id is entered.
pub fn zones_at(rows: &dyn Rows, zone: EntityId, point: DVec3) -> Result<Vec<EntityId>> {
    checked_point("the point", point).map_err(Refusal::from)?;
    rows.outer(zone)?;
    let (mut zones, mut point) = (vec![zone], point);
    while let Some(host) = smallest_at(rows, zones[zones.len() - 1], point)? {
        if zones.len() == MAX_ZONES {
            return Err(
                rows.corrupt(format!("more than {MAX_ZONES} zones are inside each other below {zone}"))
            );
        }
        zones.push(host.entity);
        point = host.pose.inverse_transform_point(point);
    }
    Ok(zones)
}

/// The zone right inside `zone` that holds the point and has the smallest bounds.
fn smallest_at(rows: &dyn Rows, zone: EntityId, point: DVec3) -> Result<Option<Host>> {
    let mut smallest: Option<(f64, Host)> = None;
    scan_around(
        rows,
        &row::host_prefix(zone),
        point,
        |size| size,
        |entity, value| {
            let host = Host::read(zone, entity, value)
                .ok_or_else(|| rows.corrupt(format!("the place of zone {entity} is {value:02x?}")))?;
            if host.bounds.contains(host.pose.inverse_transform_point(point)) {
                let volume = host.bounds.volume();
                let smaller = |(least, best): &(f64, Host)| {
                    volume.total_cmp(least).then(entity.cmp(&best.entity)).is_lt()
                };
                if smallest.as_ref().is_none_or(smaller) {
                    smallest = Some((volume, host));
                }
            }
            Ok(())
        },
    )?;
    Ok(smallest.map(|(_, host)| host))
}
