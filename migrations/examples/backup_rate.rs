//! How fast a backup is taken and brought back: `cargo run --release --example backup_rate -- [ENTITIES] [FOLDER]`.
//!
//! Prints logical megabytes (records before compression) in a second, beside what the same disk writes and reads of plain
//! bytes.

use std::{io::Write, path::PathBuf, sync::Arc, time::Instant};

use entitygraph_migrations::{
    backup::{BackupFile, BackupOptions, Follow, backup},
    load::Silent,
    restore::restore,
    source::Opened,
    verify::{Side, verify},
};
use entitygraph_schema::{
    ComponentDraft, Components, EntityId, Layer, NewEntity, Operation, Placement, Pose, Transaction, Value,
    VariableDraft,
};
use entitygraph_store::{Store, StoreOptions, open};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(200_000), |count| count.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("backup_rate");
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder)?;
    let url = |name: &str| format!("fjall:{}", folder.join(name).display());
    let source = open(&url("source"), StoreOptions::default()).await?;
    make(&*source, count).await?;
    source.compact().await?;

    let file = folder.join("world.backup");
    let start = Instant::now();
    let taken =
        backup(&Opened(source.clone()), &file, false, Follow::No, BackupOptions::default(), Arc::new(Silent))
            .await?;
    let megabytes = taken.logical_bytes as f64 / 1e6;
    let stored = file.metadata()?.len();
    say("backup", megabytes, start);
    println!("{count} entities, {megabytes:.1} MB of records, {:.1} MB in the file", stored as f64 / 1e6);

    let start = Instant::now();
    let opened = BackupFile::open(&file, |_| {})?;
    say("checking the file", megabytes, start);
    let target = open(&url("target"), StoreOptions::default()).await?;
    let start = Instant::now();
    restore(&opened, target.clone(), None, Arc::new(Silent)).await?;
    say("restore", megabytes, start);
    let start = Instant::now();
    let verdict = verify(&side(source), &side(target), &Silent).await?;
    say("verify", megabytes, start);
    anyhow::ensure!(verdict.count == 0, "the worlds differ");

    let plain = std::fs::read(&file)?;
    let start = Instant::now();
    let mut out = std::fs::File::create(folder.join("plain"))?;
    for _ in 0..10 {
        out.write_all(&plain)?;
    }
    out.sync_all()?;
    say("the disk, plain bytes written and synced", 10.0 * plain.len() as f64 / 1e6, start);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn side(store: Arc<dyn Store>) -> Side {
    Side::Store(Arc::new(Opened(store)))
}

fn say(what: &str, megabytes: f64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {seconds:.2} s, {:.0} MB/s", megabytes / seconds);
}

/// Systems of a hundred things each with a place, a name, a label and some values.
async fn make(store: &dyn Store, count: u64) -> anyhow::Result<()> {
    let variables = vec![
        VariableDraft::new("hp".parse()?, Value::Int(0)),
        VariableDraft::new("state".parse()?, Value::Text("".into())),
        VariableDraft::new("heading".parse()?, Value::Vector([0.0; 3])),
    ];
    let hull = ComponentDraft::new("hull".parse()?, variables);
    store.commit(Transaction::of([Operation::PublishComponent(hull)])).await?;
    let hull = store.catalog().registry.by_name("hull").cloned().ok_or_else(|| anyhow::anyhow!("no hull"))?;
    let id = |number| EntityId::new(number).ok_or_else(|| anyhow::anyhow!("0 is no id"));
    let mut batch = Vec::new();
    for number in 1..=count {
        let parent = match number {
            1 => None,
            _ if number % 100 == 2 => Some(id(1)?),
            _ => Some(id(number - (number + 98) % 100)?),
        };
        let place = number as f64;
        let values = [
            Value::Int(number as i64),
            Value::Text(format!("docked at berth {number}").into()),
            Value::Vector([place, -place, 0.5]),
        ];
        let values = hull.variables.iter().map(|variable| variable.id).zip(values).collect();
        batch.push(Operation::Create(NewEntity {
            id: id(number)?,
            name: format!("Object {number}").parse()?,
            kind: if parent.is_none() { "universe" } else { "ship" }.parse()?,
            source: None,
            placement: Placement {
                parent,
                port: None,
                pose: parent.map(|_| Pose::at(glam::DVec3::new(place, 2.0 * place, 3.0))).transpose()?,
            },
            radius: 10.0,
            zone: if number == 1 || number % 100 == 2 {
                Some(entitygraph_schema::Aabb::cube(1e9)?)
            } else {
                None
            },
            root: false,
            labels: ["made".parse()?].into(),
            owner: None,
            layer: Layer::ZERO,
            ordinal: 0,
            components: Components([(hull.id, values)].into()),
        }));
        if batch.len() == 2_000 || number == count {
            store.accept(Transaction::of(std::mem::take(&mut batch))).await?;
        }
    }
    store.sync().await?;
    Ok(())
}
