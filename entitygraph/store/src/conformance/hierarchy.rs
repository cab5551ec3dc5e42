//! Parents, children and what is below; burying.

use entitygraph_schema::{
    Change, Entity, NewPose, Operation, Patch, Refusal, Revision, Transaction,
    query::{ChildOrder, Extent, PageRequest},
};

use super::build::*;

const NOBODY: [u64; 0] = [];

/// 1 > (2 > (4 > 6, 5), 3), with 2 and 6 as aggregate roots.
async fn small_tree(store: &Shared) {
    create(
        store,
        [
            world_root(id(1)),
            thing(id(2), id(1)).rooted(),
            thing(id(3), id(1)),
            thing(id(4), id(2)),
            thing(id(5), id(2)),
            thing(id(6), id(4)).rooted(),
            thing(id(7), id(6)),
        ],
    )
    .await;
}

async fn below(store: &Shared, root: u64, extent: Extent) -> Vec<u64> {
    rows(store.subtree(id(root), extent, everything()).await).iter().map(|entity| entity.id.get()).collect()
}

async fn children(store: &Shared, parent: Option<u64>, order: ChildOrder) -> Vec<u64> {
    rows(store.children(parent.map(id), order, everything()).await).iter().map(|child| child.get()).collect()
}

pub async fn children_come_by_ordinal_then_id(store: Shared) {
    let ordinals = [(2, 5), (3, -5), (4, i64::MIN), (5, i64::MAX), (6, 0), (7, 0), (8, -1)];
    create(&store, [world_root(id(1))]).await;
    create(&store, ordinals.map(|(number, ordinal)| thing(id(number), id(1)).with_ordinal(ordinal))).await;
    assert_eq!(children(&store, Some(1), ChildOrder::Ordinal).await, [4, 3, 8, 6, 7, 2, 5]);
    apply(&store, [Operation::Change(id(2), Patch { ordinal: Some(-6), ..Patch::default() })]).await;
    assert_eq!(children(&store, Some(1), ChildOrder::Ordinal).await, [4, 2, 3, 8, 6, 7, 5]);
    assert_eq!(children(&store, Some(2), ChildOrder::Ordinal).await, NOBODY);
}

pub async fn children_come_by_name_in_lower_case_then_id(store: Shared) {
    let names = ["beta", "Alpha", "", "alpha", "ÉCLAIR", "zulu", "Beta 2", "beta"];
    create(&store, [world_root(id(1))]).await;
    create(&store, (2..).zip(names).map(|(number, name)| thing(id(number), id(1)).called(name))).await;
    assert_eq!(children(&store, Some(1), ChildOrder::Name).await, [4, 3, 5, 2, 9, 8, 7, 6]);
    apply(&store, [rename(id(7), "aardvark")]).await;
    assert_eq!(children(&store, Some(1), ChildOrder::Name).await, [4, 7, 3, 5, 2, 9, 8, 6]);
}

pub async fn world_roots_are_the_children_of_nobody(store: Shared) {
    assert_eq!(children(&store, None, ChildOrder::Ordinal).await, NOBODY);
    create(
        &store,
        [world_root(id(2)).called("b"), world_root(id(1)).with_ordinal(9).called("a"), thing(id(3), id(2))],
    )
    .await;
    assert_eq!(children(&store, None, ChildOrder::Ordinal).await, [2, 1]);
    assert_eq!(children(&store, None, ChildOrder::Name).await, [1, 2]);
}

pub async fn ancestors_go_up_to_the_world_root(store: Shared) {
    small_tree(&store).await;
    assert_eq!(ids(&store.ancestors(id(7)).await.unwrap().value), [id(6), id(4), id(2), id(1)]);
    assert_eq!(store.ancestors(id(1)).await.unwrap().value, []);
}

pub async fn a_subtree_is_parents_first_and_siblings_in_order(store: Shared) {
    small_tree(&store).await;
    assert_eq!(below(&store, 1, Extent::All).await, [1, 2, 4, 6, 7, 5, 3]);
    apply(&store, [Operation::Change(id(3), Patch { ordinal: Some(-1), ..Patch::default() })]).await;
    assert_eq!(below(&store, 1, Extent::All).await, [1, 3, 2, 4, 6, 7, 5]);
    assert_eq!(below(&store, 7, Extent::All).await, [7]);
}

pub async fn a_subtree_ends_at_the_depth_asked(store: Shared) {
    small_tree(&store).await;
    let by_depth =
        [vec![1], vec![1, 2, 3], vec![1, 2, 4, 5, 3], vec![1, 2, 4, 6, 5, 3], vec![1, 2, 4, 6, 7, 5, 3]];
    for (depth, expected) in by_depth.into_iter().enumerate() {
        assert_eq!(below(&store, 1, Extent::Depth(depth as u32)).await, expected);
    }
    assert_eq!(below(&store, 1, Extent::Depth(u32::MAX)).await.len(), 7);
}

pub async fn an_aggregate_ends_at_nested_roots(store: Shared) {
    small_tree(&store).await;
    assert_eq!(below(&store, 2, Extent::Aggregate).await, [2, 4, 5]);
    assert_eq!(below(&store, 6, Extent::Aggregate).await, [6, 7]);
    assert_eq!(below(&store, 1, Extent::Aggregate).await, [1, 3]);
    apply(&store, [Operation::Change(id(6), Patch { root: Some(false), ..Patch::default() })]).await;
    assert_eq!(below(&store, 2, Extent::Aggregate).await, [2, 4, 6, 7, 5]);
}

pub async fn the_inside_of_a_zone_ends_at_the_zones_in_it(store: Shared) {
    small_tree(&store).await;
    create(
        &store,
        [zone(id(10), id(4), 9.0, at(0.0, 0.0, 0.0)), thing(id(11), id(10)), thing(id(12), id(11))],
    )
    .await;
    assert_eq!(below(&store, 1, Extent::Zone).await, [1, 2, 4, 6, 7, 10, 5, 3]);
    assert_eq!(below(&store, 10, Extent::Zone).await, [10, 11, 12]);
    // Below something that is no zone it ends there as well.
    assert_eq!(below(&store, 4, Extent::Zone).await, [4, 6, 7, 10]);
}

pub async fn questions_about_nobody_are_refused(store: Shared) {
    create(&store, [world_root(id(1)), thing(id(2), id(1))]).await;
    apply(&store, [bury(id(2))]).await;
    for number in [2, 9] {
        let page = PageRequest::first(1);
        let refusals = [
            denied(store.children(Some(id(number)), ChildOrder::Ordinal, page.clone()).await),
            denied(store.children(Some(id(number)), ChildOrder::Name, page.clone()).await),
            denied(store.ancestors(id(number)).await),
            denied(store.subtree(id(number), Extent::All, page.clone()).await),
            denied(store.find(Some(id(number)), &[], page.clone()).await),
            denied(store.counts(Some(id(number))).await),
            denied(store.links(id(number), page.clone()).await),
            denied(store.zone_links(id(number), page).await),
        ];
        for refusal in refusals {
            assert_eq!(refusal, Refusal::UnknownEntity { entity: id(number) });
        }
    }
}

pub async fn a_chain_of_a_thousand_levels_is_no_trouble(store: Shared) {
    let chain = (2..=1_000).map(|number| thing(id(number), id(number - 1)));
    create(&store, [world_root(id(1))].into_iter().chain(chain)).await;
    let down: Vec<_> = (1..=1_000).collect();
    assert_eq!(below(&store, 1, Extent::All).await, down);
    assert_eq!(
        ids(&store.ancestors(id(1_000)).await.unwrap().value),
        (1..1_000).rev().map(id).collect::<Vec<_>>()
    );
    apply(&store, [bury_all(id(2))]).await;
    assert_eq!(below(&store, 1, Extent::All).await, [1]);
    assert_eq!(store.counts(None).await.unwrap().value.len(), 1);
}

pub async fn an_entity_with_children_is_buried_with_them_or_not_at_all(store: Shared) {
    small_tree(&store).await;
    assert_eq!(refused(&store, [bury(id(4))]).await, Refusal::HasChildren { entity: id(4) });
    let known = store.entities(&[2, 4, 5, 6, 7].map(id)).await.unwrap().value;
    let receipt = apply(&store, [bury_all(id(2))]).await;
    let commit = commit_at(&store, receipt.cursor).await;
    let told =
        |change: &Change| if let Change::Buried(last) = change { last.clone() } else { panic!("{change:?}") };
    let told: Vec<_> = commit.changes.iter().map(told).collect();
    assert_eq!(told.len(), 5);
    for last in known.iter().flatten() {
        assert!(told.contains(last), "{last:?} is not in {told:?}");
    }
    let place = |number| told.iter().position(|last| last.id == id(number));
    assert!(place(7) < place(6) && place(6) < place(4) && place(4) < place(2), "children first");
    assert!(place(5) < place(2), "children first");
    assert_eq!(below(&store, 1, Extent::All).await, [1, 3]);
    apply(&store, [bury(id(3)), bury(id(1))]).await;
    assert_eq!(children(&store, None, ChildOrder::Ordinal).await, NOBODY);
    assert_eq!(store.counts(None).await.unwrap().value, []);
}

pub async fn the_dead_are_gone_from_every_question_and_their_ids_never_come_back(store: Shared) {
    create(
        &store,
        [world_root(id(1)), zone(id(2), id(1), 5.0, at(1.0, 0.0, 0.0)).called("gone").owned_by("p")],
    )
    .await;
    create(&store, [thing(id(3), id(2)).labelled(&["mark"]), world_root(id(4))]).await;
    apply(&store, [jump(id(3), id(1), 1.0), jump(id(2), id(4), 1.0)]).await;
    apply(&store, [bury_all(id(2))]).await;
    assert_eq!(store.entities(&[id(2), id(3)]).await.unwrap().value, [None, None]);
    assert_eq!(rows(store.named("gone", everything()).await), []);
    assert_eq!(rows(store.owned(&text("p"), everything()).await), []);
    assert_eq!(
        rows(store.find(None, &[entitygraph_schema::query::Facet::Label(text("mark"))], everything()).await),
        []
    );
    assert_eq!(rows(store.zone_links(id(1), everything()).await), []);
    assert_eq!(rows(store.links(id(4), everything()).await), []);
    let zones = store.zones_at(id(1), glam::DVec3::new(1.0, 0.0, 0.0)).await.unwrap().value;
    assert_eq!(zones, [id(1)]);
    for number in [2, 3] {
        let again = refused(&store, [Operation::Create(thing(id(number), id(1)))]).await;
        assert_eq!(again, Refusal::EntityBuried { entity: id(number) });
        assert_eq!(refused(&store, [bury(id(number))]).await, Refusal::UnknownEntity { entity: id(number) });
    }
}

pub async fn an_emptied_entity_can_be_buried_in_the_same_transaction(store: Shared) {
    small_tree(&store).await;
    let away = reparent(id(6), id(3), entitygraph_schema::NewPose::Ride);
    apply(&store, [away, bury(id(4)), bury_all(id(2))]).await;
    assert_eq!(below(&store, 1, Extent::All).await, [1, 3, 6, 7]);
    let entity: Entity = Entity::clone(&*get(&store, id(7)).await);
    assert_eq!(entity.revision, Revision::from_number(1), "what rides with the moved one is not touched");
}

pub async fn a_tree_has_a_limit_of_levels(store: Shared) {
    let levels = Entity::MAX_ANCESTORS as u64;
    let below = |number: u64| Operation::Create(thing(id(number), id(number - 1)));
    let chain = [Operation::Create(world_root(id(1)))].into_iter().chain((2..=levels + 1).map(below));
    apply(&store, chain.collect::<Vec<_>>()).await;
    let deepest = levels + 1;
    assert_eq!(store.ancestors(id(deepest)).await.unwrap().value.len(), Entity::MAX_ANCESTORS);
    let max = levels;
    let what = "entities above one";
    let too_deep = Refusal::TooMany { what, count: max + 1, max };
    assert_eq!(denied(store.commit(Transaction::of([below(deepest + 1)])).await), too_deep);
    create(&store, [thing(id(9_000), id(1)), thing(id(9_001), id(9_000))]).await;
    let under = |parent| Transaction::of([reparent(id(9_000), id(parent), NewPose::Ride)]);
    assert_eq!(denied(store.commit(under(deepest)).await), too_deep);
    // What is below it comes along, however deep.
    store.commit(under(deepest - 1)).await.unwrap();
    assert_eq!(
        denied(store.commit(Transaction::of([Operation::Create(thing(id(9_002), id(9_001)))])).await).code(),
        "TOO_MANY"
    );
}
