use std::{collections::BTreeMap, path::Path, sync::Arc};

use entitygraph_schema::{
    Entity, EntityId, Value,
    query::{Extent, Facet, PageRequest},
};
use entitygraph_store::{MemoryStore, Store};
use glam::{DQuat, DVec3};

use super::*;
use crate::{
    export::{ExportOptions, export},
    load::{LoadOptions, Report, Silent},
    world::{entity_id, ingest, json_schema},
};

async fn load(store: &Arc<MemoryStore>, files: WorldFiles) -> Report {
    ingest(store.clone(), files, LoadOptions::default(), Arc::new(Silent)).await.unwrap()
}

async fn loaded() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let report = load(&store, sample_world()).await;
    assert_eq!(report.problem_count, 0, "{report}");
    store
}

fn id(key: &str) -> EntityId {
    entity_id(SAMPLE_WORLD, key)
}

async fn everything(store: &MemoryStore) -> Vec<Arc<Entity>> {
    let page = store.subtree(id("universe"), Extent::All, PageRequest::first(10_000)).await.unwrap().value;
    assert!(!page.more);
    page.rows.into_iter().map(|(entity, _)| entity).collect()
}

/// All values of a component that the entity has, by name.
fn values(store: &MemoryStore, entity: &Entity, component: &str) -> BTreeMap<String, Value> {
    let catalog = store.catalog();
    let component = catalog.registry.by_name(component).unwrap();
    let full = catalog.registry.with_defaults(&catalog.effective(entity));
    let named = |(variable, value): (_, &Value)| {
        (component.variable_by_id(variable).unwrap().draft.name.to_string(), value.clone())
    };
    full.0
        .get(&component.id)
        .into_iter()
        .flatten()
        .map(|(variable, value)| named((*variable, value)))
        .collect()
}

#[tokio::test]
async fn the_sample_world_has_what_the_demo_needs() {
    let store = loaded().await;
    let counts: BTreeMap<_, _> = store.counts(None).await.unwrap().value.into_iter().collect();
    let kind = |kind: &str| counts.get(&Facet::Kind(kind.parse().unwrap())).copied().unwrap_or(0);
    let kinds =
        ["universe", "system", "star", "planet", "dwarf_planet", "moon", "station", "ship", "jump_point"];
    assert_eq!(kinds.map(kind), [1, 2, 2, 10, 5, 24, 7, 12, 2]);
    assert_eq!(["character", "crate", "item", "room", "weapon"].map(kind), [18, 18, 60, 50, 6]);

    let rations = id("ships/meridian/crate/1/ration-box/rations");
    let above = store.ancestors(rations).await.unwrap().value;
    assert_eq!(above.len(), 8, "box, crate, hold, ship, station, planet, system, universe");
    let rations = store.entities(&[rations]).await.unwrap().value.remove(0).unwrap();
    assert!(rations.components.0.is_empty(), "all its values are its container's");
    let item = values(&store, &rations, "item");
    assert_eq!((&item["count"], &item["mass_kg"]), (&Value::Int(24), &Value::Float(0.4)));
    assert!(
        store.owned(&"player:ada".parse().unwrap(), PageRequest::first(10)).await.unwrap().value.rows.len()
            > 3
    );
}

#[tokio::test]
async fn a_second_run_over_the_sample_world_changes_nothing() {
    let store = loaded().await;
    let report = load(&store, sample_world()).await;
    assert!(report.changed_nothing(), "{report}");
}

#[tokio::test]
async fn the_sample_world_goes_out_and_in_again_and_is_the_same() {
    let text = |store: Arc<MemoryStore>| async move {
        let mut text = Vec::new();
        export(store, &mut text, ExportOptions::default(), Arc::new(Silent)).await.unwrap();
        String::from_utf8(text).unwrap()
    };
    let first = text(loaded().await).await;
    let copy = Arc::new(MemoryStore::new());
    let report = load(&copy, WorldFiles::in_memory([("export.yaml", first.as_str())])).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(text(copy.clone()).await, first);
    let report = load(&copy, sample_world()).await;
    assert!(report.changed_nothing() && report.problem_count == 0, "the copy is the sample world: {report}");
}

#[tokio::test]
async fn bodies_stand_where_their_orbits_put_them_at_the_epoch() {
    let store = loaded().await;
    let mut orbits = 0;
    for entity in everything(&store).await {
        let orbit = values(&store, &entity, "orbit");
        if orbit.is_empty() {
            continue;
        }
        orbits += 1;
        let number = |name: &str| match orbit[name] {
            Value::Float(value) => value,
            _ => panic!("{name} is no number"),
        };
        let place = place_at_epoch(&number);
        let pose = entity.placement.pose.unwrap().translation();
        assert!(place.distance(pose) < 1.0 + place.length() * 1e-8, "{}: {pose} is not {place}", entity.name);
        assert!(number("period_s") > 0.0, "{}", entity.name);
    }
    assert!(orbits >= 10 + 5 + 24, "planets, dwarf planets, moons: {orbits}");
}

/// Where Kepler's laws put a body.
fn place_at_epoch(number: &dyn Fn(&str) -> f64) -> DVec3 {
    let angle = |name: &str| number(name).to_radians();
    let (axis, eccentricity) = (number("semi_major_axis_m"), number("eccentricity"));
    let mut anomaly = angle("mean_anomaly_deg");
    for _ in 0..100 {
        anomaly = angle("mean_anomaly_deg") + eccentricity * anomaly.sin();
    }
    let x = axis * (anomaly.cos() - eccentricity);
    let y = axis * (1.0 - eccentricity * eccentricity).sqrt() * anomaly.sin();
    let plane = DQuat::from_rotation_z(angle("ascending_node_deg"))
        * DQuat::from_rotation_x(angle("inclination_deg"))
        * DQuat::from_rotation_z(angle("argument_of_periapsis_deg"));
    plane * DVec3::new(x, y, 0.0)
}

#[tokio::test]
async fn everything_is_inside_the_zone_it_is_in() {
    let store = loaded().await;
    for entity in everything(&store).await {
        let Some(pose) = entity.placement.pose else { continue };
        let above = store.ancestors(entity.id).await.unwrap().value;
        let zone = above.iter().find(|above| above.zone.is_some()).unwrap();
        assert!(
            zone.zone.unwrap().contains(pose.translation()),
            "{} is outside of {}",
            entity.name,
            zone.name
        );
    }
}

#[tokio::test]
async fn the_jump_leads_to_the_other_system() {
    let store = loaded().await;
    let route = store.route(id("sol"), id("proxima"), &"jump".parse().unwrap()).await.unwrap().value.unwrap();
    assert_eq!((route.hops.len(), route.hops[0].to), (1, id("proxima/jump-point")));
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("world.schema.json");
    let now = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "run `UPDATE_SCHEMA=1 cargo test -p entitygraph-migrations schema` and commit {}",
        path.display()
    );
}

#[test]
fn the_sample_world_is_valid_by_the_schema_and_a_wrong_one_is_not() {
    let schema = serde_json::to_value(json_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/solar-system");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let value: serde_json::Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        files += 1;
    }
    assert_eq!(files, Files::iter().count());
    for wrong in [
        "entities: [{radus: 1}]",
        "entities: [{id: 1.5}]",
        "components: [{name: a, variables: [{name: v}]}]",
        "links: [{kind: x}]",
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&value), "{wrong}");
    }
}
