//! `entitygraph migrate`, with real stores and real kills.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use entitygraph_schema::{
    Aabb, EntityId, Layer, NewEntity, Operation, Placement, Pose, Transaction, query::Near,
};
use entitygraph_store::{
    Store,
    keyed::{
        KeyedStore,
        engine::{Durability, Engine, EngineKind, EngineOptions, WriteBatch},
        options::KeyedOptions,
    },
};
use entitygraph_tests::{
    command::{done, failed},
    process,
};
use glam::DVec3;

/// Enough that a migration takes longer than a kill comes late.
const ZONES: u64 = 12_000;
/// Rows of zone hosts and of reaches in stores of format 1, and those of both formats.
const HOST: u8 = 0x61;
const REACH: u8 = 0x62;
const FORMAT: [u8; 2] = [1, 1];
const SPLIT_AT: u8 = 0x70;

#[test]
fn a_migration_that_is_killed_goes_on_and_nothing_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for engine in EngineKind::ALL {
        let old = folder.path().join(engine.name());
        write_world(engine, &old)?;
        let whole = folder.path().join("whole");
        copy(&old, &whole)?;
        let expected = look(engine, &whole)?;
        set_back(engine, &old)?;
        let mut in_the_middle = 0;
        for attempt in 0..30 {
            let store = folder.path().join("store");
            copy(&old, &store)?;
            let url = format!("{engine}:{}", store.display());
            for _ in 0..3 {
                kill_after_a_while(&url, &store, Duration::from_micros(fastrand::u64(0..150_000)))?;
                let said = done(&["migrate", "status", "--store", &url], &store)?;
                if said.contains("on its way from format 1 to 2") {
                    in_the_middle += 1;
                    let refused = failed(&["export", "-", "--store", &url], &store)?;
                    ensure!(refused.contains("migrate apply"), "{refused}");
                }
            }
            let said = done(&["migrate", "apply", "--store", &url], &store)?;
            ensure!(said.contains("has format 2, that of this program"), "{said}");
            done(&["migrate", "verify", "--store", &url], &store)?;
            ensure!(look(engine, &store)? == expected, "{engine}, attempt {attempt}");
            std::fs::remove_dir_all(&store)?;
            if in_the_middle >= 3 {
                break;
            }
        }
        ensure!(in_the_middle >= 3, "{engine}: no kill came in the middle, {in_the_middle}");
        println!("{engine}: killed {in_the_middle} times in the middle of a migration");
        std::fs::remove_dir_all(&whole)?;
    }
    Ok(())
}

#[test]
fn a_newer_store_is_refused_by_each_command_and_left_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for engine in EngineKind::ALL {
        let path = folder.path().join(engine.name());
        drop(KeyedStore::open(engine, &path, KeyedOptions::default())?);
        rewrite(engine, &path, |batch, _, _| batch.put(&FORMAT, &99_u32.to_be_bytes()))?;
        let url = format!("{engine}:{}", path.display());
        for command in ["status", "plan", "apply", "verify"] {
            let said = failed(&["migrate", command, "--store", &url], folder.path())?;
            for words in ["has store format 99", "this program knows up to 2", "use a newer program"] {
                ensure!(said.contains(words), "{command}: no `{words}` in\n{said}");
            }
        }
        let said = failed(&["export", "-", "--store", &url], folder.path())?;
        ensure!(said.contains("use a newer program"), "{said}");
        let mut format = Vec::new();
        rewrite(engine, &path, |_, key, value| {
            if key == FORMAT {
                format = value.to_vec();
            }
        })?;
        ensure!(format == 99_u32.to_be_bytes(), "{format:?}");
    }
    Ok(())
}

/// A star, and planets in zones of their own, each with something small in it.
#[tokio::main(flavor = "current_thread")]
async fn write_world(engine: EngineKind, path: &Path) -> Result<()> {
    let store = KeyedStore::open(engine, path, KeyedOptions::default())?;
    let id = |number: u64| EntityId::new(number).context("an id");
    let root = NewEntity {
        placement: Placement::default(),
        zone: Some(Aabb::cube(1e13)?),
        ..thing(id(1)?, id(1)?, DVec3::ZERO)?
    };
    store.commit(Transaction::of([Operation::Create(root)])).await?;
    for zone in 0..ZONES {
        let number = 10 + 2 * zone;
        let place = DVec3::new((zone % 113) as f64, (zone / 113) as f64, 1.0) * 1e9;
        let mut host = thing(id(number)?, id(1)?, place)?;
        host.zone = Some(Aabb::cube(1e6)?);
        let mut pebble = thing(id(number + 1)?, host.id, DVec3::splat(1e3))?;
        pebble.radius = 1.0 + (zone % 100) as f64;
        store.accept(Transaction::of([Operation::Create(host), Operation::Create(pebble)])).await?;
    }
    store.sync().await?;
    Ok(())
}

fn thing(id: EntityId, parent: EntityId, place: DVec3) -> Result<NewEntity> {
    Ok(NewEntity {
        id,
        name: Default::default(),
        kind: "thing".parse()?,
        source: None,
        placement: Placement { parent: Some(parent), port: None, pose: Some(Pose::at(place)?) },
        radius: 1.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Default::default(),
    })
}

/// What is seen from the middle of some zones, by angles that the rows in question decide about.
#[tokio::main(flavor = "current_thread")]
async fn look(engine: EngineKind, path: &Path) -> Result<Vec<EntityId>> {
    let store: Arc<dyn Store> = Arc::new(KeyedStore::open(engine, path, KeyedOptions::default())?);
    let mut seen = Vec::new();
    for zone in [1, 10, 10 + 2 * (ZONES / 2)] {
        for angle in [1e-4, 3e-8] {
            let zone = EntityId::new(zone).context("an id")?;
            let near = Near {
                zone,
                point: DVec3::ZERO,
                radius: Some(5e9),
                min_angular_size: Some(angle),
                layer: Layer::ZERO,
            };
            seen.extend(store.near(&near).await?.value.iter().map(|hit| hit.entity));
        }
    }
    ensure!(seen.len() > 10, "{}", seen.len());
    Ok(seen)
}

/// Makes the store what a program of format 1 would have written: it had no largest radius in these rows.
fn set_back(engine: EngineKind, path: &Path) -> Result<()> {
    rewrite(engine, path, |batch, key, value| match key[0] {
        HOST => batch.put(key, &[&value[..64], &value[72..]].concat()),
        REACH => batch.put(key, &value[..8]),
        _ if key == FORMAT => batch.put(key, &1_u32.to_be_bytes()),
        _ => {}
    })
}

fn rewrite(
    engine: EngineKind,
    path: &Path,
    mut each: impl FnMut(&mut WriteBatch, &[u8], &[u8]),
) -> Result<()> {
    let options = EngineOptions { split_at: vec![SPLIT_AT], ..EngineOptions::default() };
    let engine: Arc<dyn Engine> = engine.open(path, &options)?;
    let mut batch = WriteBatch::new();
    engine.view().scan(&[0], &[SPLIT_AT], &mut |key, value| {
        each(&mut batch, key, value);
        ControlFlow::Continue(())
    })?;
    engine.write(batch, Durability::Synced)?;
    Ok(())
}

/// Starts a migration and kills it some time after it said that it begins; it may be through by then.
fn kill_after_a_while(url: &str, data: &Path, after: Duration) -> Result<()> {
    let mut command = process::command(&["migrate", "apply", "--store", url], data)?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stderr.take().context("no error output")?).lines();
    // Ends with the process too.
    let begun = lines.map_while(Result::ok).find(|line| line.starts_with("step 2"));
    if begun.is_some() {
        std::thread::sleep(after);
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let arguments: [&OsStr; 4] = ["-r".as_ref(), "--sparse=always".as_ref(), from.as_ref(), to.as_ref()];
    ensure!(Command::new("cp").args(arguments).status()?.success(), "copying {}", from.display());
    Ok(())
}
