//! The world of the fixture stores, see `migrations/fixtures`.
//!
//! **It never changes**: a program of each store format wrote it once, and what became of it is compared with what a memory
//! store makes of it now. A new kind of row needs a new world beside this one, not another line in it.

use entitygraph_schema::{Child, ComponentDraft, NewPose, Operation, Patch, Port, Transaction, Value};

use super::build::*;

/// Writes the world to an empty store, whose change sequence begins at zero.
pub async fn write(store: &Shared) {
    let hull = publish_component(
        store,
        component(
            "hull",
            &[
                ("hp", Value::Int(100)),
                ("armour", Value::Float(0.5)),
                ("paint", Value::Text("grey".into())),
                ("drag", Value::Vector([0.1, 0.2, 0.3])),
                ("scars", Value::IntList([].into())),
            ],
        ),
    )
    .await;
    let cargo = publish_component(
        store,
        component("cargo", &[("mass", Value::Float(0.0)), ("sealed", Value::Bool(false))]),
    )
    .await;
    let crate_ = publish_container(
        store,
        entitygraph_schema::ContainerDraft {
            radius: 0.5,
            components: values_of(&cargo, &[("mass", Value::Float(12.5))]),
            labels: [text("loose")].into(),
            ..container("crate", "crate")
        },
    )
    .await;
    let child = |name: &str, port: &str| Child {
        name: text(name),
        container: text("crate"),
        pose: None,
        port: Some(text(port)),
        overrides: values_of(&cargo, &[("sealed", Value::Bool(true))]),
        labels: Default::default(),
    };
    let port = |name: &str| Port { name: text(name), accepts: [text("crate")].into() };
    let freighter = publish_container(
        store,
        entitygraph_schema::ContainerDraft {
            radius: 80.0,
            zone: Some(cube(100.0)),
            root: true,
            ports: vec![port("left"), port("right")],
            components: values_of(&hull, &[("hp", Value::Int(4_000))]),
            children: vec![child("left-crate", "left")],
            ..container("freighter", "ship")
        },
    )
    .await;

    // Two worlds; in the first a system in a region, planets and moons in zones of their own, each turned.
    create(store, [world_root(id(1)).called("Universe"), world_root(id(2)).called("Sandbox")]).await;
    create(store, [zone(id(10), id(1), 1e12, turned(3e12, 1e12, 0.0, 0.5)).called("Region")]).await;
    create(store, [zone(id(11), id(10), 1e11, turned(-4e11, 5.0, 7e10, 1.5)).called("Sol")]).await;
    create(store, [thing(id(12), id(11)).of_kind("star").at(at(0.0, 0.0, 0.0)).with_radius(7e8)]).await;
    for planet in 0..8_u64 {
        let (number, angle) = (20 + planet, planet as f64 * 0.7);
        let pose = turned(angle.cos() * 1e10 * (planet + 1) as f64, angle.sin() * 1e10, 3e8, angle);
        let planet = zone(id(number), id(11), 1e9, pose)
            .of_kind("planet")
            .called(["Äther", "Jita", "jita IV", "Sol", "Орбита", "", "a", "é"][planet as usize])
            .with_radius(6e6 + planet as f64)
            .labelled(if planet % 2 == 0 { &["home", "red"] } else { &["lost"] })
            .with_ordinal(7 - planet as i64);
        create(store, [planet]).await;
        for moon in 0..3_u64 {
            let moon_id = number * 10 + moon;
            let pose = turned(4e8 - moon as f64 * 1e7, moon as f64 * 1e8, -1e6, 2.0);
            let moon = zone(id(moon_id), id(number), 1e7, pose).of_kind("moon").with_radius(1e6);
            // A moon's dust lies in a zone without anything larger; the last moon has nothing inside.
            let dust = (0..moon_id % 3).map(|grain| {
                let place = at(1e6 + grain as f64, 2.0, 0.0);
                thing(id(moon_id * 10 + grain), id(moon_id)).of_kind("dust").at(place).with_radius(0.01)
            });
            create(store, std::iter::once(moon).chain(dust)).await;
        }
    }

    // Ships with what came with them, riders, a carrier whose zone rides, layers and owners.
    for ship in 0..6_u64 {
        let (number, planet) = (5_000 + 10 * ship, 20 + ship);
        let place = turned(2e7 + ship as f64 * 1e5, -3e5, 4e4, 0.1 * ship as f64);
        let ship = thing(id(number), id(planet))
            .instance_of(&freighter)
            .called(&format!("Ship {ship}"))
            .at(place)
            .with_radius(80.0)
            .with_zone(100.0)
            .rooted()
            .owned_by(["player:1", "player:2", "player:10"][ship as usize % 3])
            .in_layer(u32::from(ship == 5))
            .with(
                &hull,
                &[("armour", Value::Float(0.9)), ("scars", Value::IntList([-3, 0, 1 << 40].into()))],
            );
        let stowed = thing(id(number + 1), id(number))
            .instance_of(&crate_)
            .in_slot(&freighter, "left-crate")
            .on_port("left")
            .with_radius(0.5)
            .with(&cargo, &[("mass", Value::Float(99.0))]);
        let crew = thing(id(number + 2), id(number)).of_kind("crew").at(at(1.0, -2.0, 30.0)).with_radius(0.9);
        let room = thing(id(number + 3), id(number)).of_kind("room").at(at(0.0, 0.0, -20.0));
        let tank = thing(id(number + 4), id(number + 3)).of_kind("tank").with_zone(4.0);
        let fish = thing(id(number + 5), id(number + 4)).at(at(0.5, 0.5, 0.5)).with_radius(0.05);
        create(store, [ship, stowed, crew, room, tank, fish]).await;
    }

    // Gates and what they cost.
    for end in 0..8_u64 {
        let gate = thing(id(6_000 + end), id(20 + end)).of_kind("gate").at(at(5e7, 5e7, 0.0));
        create(store, [gate]).await;
    }
    for end in 0..8_u64 {
        let other = (end + 1 + end % 2) % 8;
        apply(store, [jump(id(6_000 + end), id(6_000 + other), 1.0 + end as f64 / 4.0)]).await;
    }

    // What happens in a world: flights in and out of zones, growth, names, changed and withdrawn values, burials.
    apply(store, [reparent(id(5_002), id(5_013), NewPose::KeepWorld)]).await;
    apply(store, [reparent(id(5_010), id(5_020), NewPose::At(at(900.0, 0.0, 0.0)))]).await;
    apply(store, [attach(id(5_021), id(5_000), "right")]).await;
    apply(store, [moved(id(5_020), at(6e8, -2e8, 1e8)), rename(id(5_020), "Наутилус")]).await;
    apply(store, [moved(id(5_033), at(40.0, 0.0, 0.0))]).await;
    let larger = Patch { radius: Some(9e6), ..Patch::default() };
    apply(store, [Operation::Change(id(22), larger)]).await;
    // The largest and farthest things die, so the zones reach farther than they need.
    create(store, [thing(id(7_000), id(220)).at(at(8e6, 0.0, 0.0)).with_radius(4e6)]).await;
    apply(store, [bury(id(7_000))]).await;
    create(store, [thing(id(7_001), id(2)).at(at(1.0, 2.0, 3.0)), thing(id(7_002), id(2))]).await;
    apply(store, [bury(id(7_001))]).await;
    apply(store, [bury_all(id(5_050))]).await;

    // Types and containers in their next versions.
    let next = ComponentDraft {
        variables: ["hp", "armour", "colour", "drag", "speed"]
            .iter()
            .map(|name| {
                let default = match *name {
                    "hp" => Value::Int(120),
                    "armour" => Value::Float(0.5),
                    "colour" => Value::Text("grey".into()),
                    "drag" => Value::Vector([0.0; 3]),
                    _ => Value::Float(1.0),
                };
                entitygraph_schema::VariableDraft::new(text(name), default)
            })
            .collect(),
        renamed: [(text("colour"), text("paint"))].into(),
        retire: [text("scars")].into(),
        ..ComponentDraft::new(text("hull"), Vec::new())
    };
    publish_component(store, next).await;
    publish_container(
        store,
        entitygraph_schema::ContainerDraft {
            radius: 0.75,
            components: values_of(&cargo, &[("mass", Value::Float(15.0))]),
            ..crate_.draft.clone()
        },
    )
    .await;

    // Operation ids: of what changed something, and of what did not.
    let make = Operation::Create(thing(id(8_000), id(2)).called("once"));
    for _ in 0..2 {
        store.commit(Transaction::of([make.clone()]).named(text("make-once"))).await.unwrap();
    }
    store.commit(Transaction::default().named(text("nothing"))).await.unwrap();
}
