//! Finding by name and by owner.

use entitygraph_schema::{EntityId, Operation, Patch};

use super::build::*;

async fn named(store: &Shared, prefix: &str) -> Vec<EntityId> {
    rows(store.named(prefix, everything()).await)
}

pub async fn names_are_found_by_prefix_in_any_case_and_in_order(store: Shared) {
    let names = ["Jita IV", "jita", "Perimeter", "JITA IV - Moon 4", "Орбита", "Straße", "", "jit", "Jitter"];
    create(&store, [world_root(id(1)).called("root")]).await;
    create(&store, (2..).zip(names).map(|(number, name)| thing(id(number), id(1)).called(name))).await;
    assert_eq!(named(&store, "jita").await, [3, 2, 5].map(id));
    assert_eq!(named(&store, "JIT").await, [9, 3, 2, 5, 10].map(id));
    assert_eq!(named(&store, "Jita IV -").await, [id(5)]);
    assert_eq!(named(&store, "ОРБ").await, [id(6)]);
    assert_eq!(named(&store, "straß").await, [id(7)]);
    assert_eq!(named(&store, "jita iv - moon 4 and more").await, []);
    assert_eq!(named(&store, "%").await, []);
    assert_eq!(named(&store, "").await, [8, 9, 3, 2, 5, 10, 4, 1, 7, 6].map(id));
}

pub async fn of_one_name_the_lower_id_comes_first(store: Shared) {
    create(
        &store,
        [world_root(id(1)), thing(id(300), id(1)).called("same"), thing(id(2), id(1)).called("SAME")],
    )
    .await;
    create(&store, [thing(id(u64::MAX), id(1)).called("same"), thing(id(255), id(1)).called("same too")])
        .await;
    assert_eq!(named(&store, "same").await, [2, 300, u64::MAX, 255].map(id));
}

pub async fn a_renamed_entity_is_found_by_its_new_name_only(store: Shared) {
    create(&store, [world_root(id(1)).called("Sol"), thing(id(2), id(1)).called("Earth")]).await;
    apply(&store, [rename(id(2), "Terra"), rename(id(1), "SOL")]).await;
    assert_eq!(named(&store, "earth").await, []);
    assert_eq!(named(&store, "terra").await, [id(2)]);
    assert_eq!(named(&store, "sol").await, [id(1)]);
    apply(&store, [bury(id(2))]).await;
    assert_eq!(named(&store, "terra").await, []);
}

pub async fn names_of_the_greatest_length_are_found(store: Shared) {
    let long = "Ж".repeat(100);
    create(&store, [world_root(id(1)).called(&long), thing(id(2), id(1)).called(&long[..198])]).await;
    assert_eq!(named(&store, &long).await, [id(1)]);
    assert_eq!(named(&store, &long[..198]).await, [2, 1].map(id));
}

pub async fn what_an_owner_has_is_listed_by_id(store: Shared) {
    let owner = |number, owner: Option<&str>| {
        Operation::Change(id(number), Patch { owner: Some(owner.map(text)), ..Patch::default() })
    };
    create(&store, [world_root(id(1))]).await;
    create(&store, [300, 2, 256, u64::MAX].map(|number| thing(id(number), id(1)).owned_by("player:1"))).await;
    create(&store, [thing(id(3), id(1)).owned_by("player:10"), thing(id(4), id(1))]).await;
    let owned = async |name: &str| rows(store.owned(&text(name), everything()).await);
    assert_eq!(owned("player:1").await, [2, 256, 300, u64::MAX].map(id));
    assert_eq!(owned("player:10").await, [id(3)]);
    assert_eq!(owned("player:").await, [], "an owner is no prefix");
    apply(&store, [owner(2, Some("player:10")), owner(300, None), owner(4, Some("player:1")), bury(id(256))])
        .await;
    assert_eq!(owned("player:1").await, [4, u64::MAX].map(id));
    assert_eq!(owned("player:10").await, [2, 3].map(id));
}
