//! Finding and counting by kind, container, component and label.

use entitygraph_schema::{
    ComponentPatch, Entity, EntityId, NewPose, Operation, Patch, Refusal, Value,
    query::{Facet, FacetSort, PageRequest},
};

use super::build::*;

fn kind(name: &str) -> Facet {
    Facet::Kind(text(name))
}

fn label(name: &str) -> Facet {
    Facet::Label(text(name))
}

/// Sorted, because the order of found entities is the store's own.
async fn find(store: &Shared, below: Option<u64>, any_of: &[Facet]) -> Vec<EntityId> {
    let mut found = rows(store.find(below.map(id), any_of, everything()).await);
    found.sort();
    found
}

async fn counts(store: &Shared, below: Option<u64>) -> Vec<(Facet, u64)> {
    store.counts(below.map(id)).await.unwrap().value
}

/// 1 > (2 > (4, 5), 3), another world 6 > 7.
async fn fleet(store: &Shared) {
    create(
        store,
        [
            world_root(id(1)).labelled(&["home"]),
            thing(id(2), id(1)).of_kind("ship").labelled(&["red", "big"]),
            thing(id(3), id(1)).of_kind("ship").labelled(&["red"]),
            thing(id(4), id(2)).of_kind("crate").labelled(&["big"]),
            thing(id(5), id(2)).of_kind("crate"),
            world_root(id(6)),
            thing(id(7), id(6)).of_kind("ship").labelled(&["red"]),
        ],
    )
    .await;
}

pub async fn entities_are_found_below_a_node_and_in_the_whole_world(store: Shared) {
    fleet(&store).await;
    assert_eq!(find(&store, None, &[kind("ship")]).await, [2, 3, 7].map(id));
    assert_eq!(find(&store, Some(1), &[kind("ship")]).await, [2, 3].map(id));
    assert_eq!(find(&store, Some(2), &[kind("ship")]).await, [], "not the node itself");
    assert_eq!(find(&store, Some(2), &[kind("crate")]).await, [4, 5].map(id));
    assert_eq!(find(&store, None, &[kind("world")]).await, [1, 6].map(id), "the world holds its roots");
    assert_eq!(find(&store, Some(5), &[kind("ship")]).await, []);
    assert_eq!(find(&store, None, &[kind("nothing")]).await, []);
}

pub async fn what_has_several_of_the_facets_is_found_once(store: Shared) {
    fleet(&store).await;
    let both = [label("red"), label("big"), kind("ship"), label("red")];
    assert_eq!(find(&store, Some(1), &both).await, [2, 3, 4].map(id));
    assert_eq!(find(&store, Some(1), &[]).await, []);
    for first in 1..=4 {
        let pages = walk(first, |page| store.find(Some(id(1)), &both, page)).await;
        let mut found: Vec<_> = pages.into_iter().map(|(entity, _)| entity).collect();
        found.sort();
        assert_eq!(found, [2, 3, 4].map(id), "pages of {first}");
    }
}

pub async fn labels_are_found_once_set_and_not_once_cleared(store: Shared) {
    fleet(&store).await;
    let set = |number, name: &str, on| {
        Operation::Change(id(number), Patch { labels: [(text(name), on)].into(), ..Patch::default() })
    };
    apply(&store, [set(5, "red", true), set(2, "red", false), set(2, "big", false), set(4, "big", false)])
        .await;
    assert_eq!(find(&store, None, &[label("red")]).await, [3, 5, 7].map(id));
    assert_eq!(find(&store, None, &[label("big")]).await, []);
    assert!(
        !counts(&store, None).await.iter().any(|(facet, _)| *facet == label("big")),
        "nothing is counted as zero"
    );
}

pub async fn instances_are_found_by_container_and_own_values_by_component(store: Shared) {
    let hull = publish_component(&store, component("hull", &[("points", Value::Int(1))])).await;
    let with_hull =
        entitygraph_schema::ContainerDraft { components: values_of(&hull, &[]), ..container("box", "box") };
    let first = publish_container(&store, with_hull).await;
    let second = publish_container(&store, container("crate", "box")).await;
    create(
        &store,
        [
            world_root(id(1)),
            thing(id(2), id(1)).instance_of(&first),
            thing(id(3), id(1)).instance_of(&second).in_slot(&first, "inner"),
            thing(id(4), id(1)).instance_of(&first).with(&hull, &[("points", Value::Int(5))]),
            thing(id(5), id(1)).with(&hull, &[]),
        ],
    )
    .await;
    assert_eq!(find(&store, None, &[Facet::Container(first.id)]).await, [2, 4].map(id));
    assert_eq!(find(&store, None, &[Facet::Container(second.id)]).await, [id(3)]);
    assert_eq!(find(&store, None, &[Facet::Component(hull.id)]).await, [4, 5].map(id), "own values only");
    let taken = Patch { components: [(hull.id, ComponentPatch::removed())].into(), ..Patch::default() };
    let given = Patch { components: [(hull.id, ComponentPatch::default())].into(), ..Patch::default() };
    apply(&store, [Operation::Change(id(4), taken), Operation::Change(id(3), given)]).await;
    assert_eq!(find(&store, None, &[Facet::Component(hull.id)]).await, [3, 5].map(id));
    let expected = [
        (kind("box"), 3),
        (kind("thing"), 1),
        (Facet::Container(first.id), 2),
        (Facet::Container(second.id), 1),
        (Facet::Component(hull.id), 2),
    ];
    assert_eq!(counts(&store, Some(1)).await, expected);
}

pub async fn counts_are_sorted_and_leave_the_node_itself_out(store: Shared) {
    fleet(&store).await;
    let below = [(kind("crate"), 2), (kind("ship"), 2), (label("big"), 2), (label("red"), 2)];
    assert_eq!(counts(&store, Some(1)).await, below);
    assert_eq!(counts(&store, Some(2)).await, [(kind("crate"), 2), (label("big"), 1)]);
    assert_eq!(counts(&store, Some(5)).await, []);
    let all = [
        (kind("crate"), 2),
        (kind("ship"), 3),
        (kind("world"), 2),
        (label("big"), 2),
        (label("home"), 1),
        (label("red"), 3),
    ];
    assert_eq!(counts(&store, None).await, all);
}

pub async fn counts_follow_every_move_and_burial(store: Shared) {
    fleet(&store).await;
    apply(&store, [reparent(id(2), id(7), NewPose::Ride)]).await;
    assert_eq!(counts(&store, Some(1)).await, [(kind("ship"), 1), (label("red"), 1)]);
    let moved = [(kind("crate"), 2), (kind("ship"), 2), (label("big"), 2), (label("red"), 2)];
    assert_eq!(counts(&store, Some(6)).await, moved);
    apply(&store, [reparent(id(4), id(3), NewPose::Ride), bury_all(id(2))]).await;
    assert_eq!(counts(&store, Some(6)).await, [(kind("ship"), 1), (label("red"), 1)]);
    let home = [(kind("crate"), 1), (kind("ship"), 1), (label("big"), 1), (label("red"), 1)];
    assert_eq!(counts(&store, Some(1)).await, home);
}

pub async fn counts_of_one_sort_come_by_pages(store: Shared) {
    fleet(&store).await;
    let draft = component("hull", &[("points", Value::Int(1))]);
    let hull = publish_component(&store, draft).await;
    let boxes = [
        publish_container(&store, container("box", "box")).await,
        publish_container(&store, container("chest", "box")).await,
    ];
    let instances = boxes.iter().zip(8..).map(|(of, number)| thing(id(number), id(6)).instance_of(of));
    create(&store, instances.map(|instance| instance.with(&hull, &[]))).await;
    let all = counts(&store, None).await;
    for first in 1..=3 {
        let mut found = Vec::new();
        for sort in FacetSort::ALL {
            let pages = walk(first, |page| store.counts_by(None, sort, page)).await;
            assert!(pages.iter().all(|((facet, _), _)| facet.sort() == sort), "{sort:?}: {pages:?}");
            found.extend(pages.into_iter().map(|(row, _)| row));
        }
        assert_eq!(found, all, "pages of {first}");
    }
    let page = store.counts_by(Some(id(1)), FacetSort::Label, PageRequest::first(1)).await.unwrap().value;
    assert_eq!(page.rows.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>(), [(label("big"), 2)]);
    let next = PageRequest { first: 1, after: page.end };
    for elsewhere in [
        store.counts_by(Some(id(1)), FacetSort::Kind, next.clone()).await,
        store.counts_by(Some(id(2)), FacetSort::Label, next.clone()).await,
    ] {
        assert_eq!(denied(elsewhere), Refusal::BadPageCursor);
    }
    apply(&store, [Operation::Bury { entity: id(2), subtree: true }]).await;
    let page = store.counts_by(Some(id(1)), FacetSort::Label, next).await.unwrap().value;
    assert_eq!(page.rows.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), [(label("red"), 1)]);
    let unknown = denied(store.counts_by(Some(id(99)), FacetSort::Kind, everything()).await);
    assert_eq!(unknown, Refusal::UnknownEntity { entity: id(99) });
}

pub async fn a_total_is_of_all_below_and_of_the_whole_world(store: Shared) {
    let total = async |below: Option<u64>| store.total(below.map(id)).await.unwrap().value;
    assert_eq!(total(None).await, 0);
    fleet(&store).await;
    assert_eq!([total(None).await, total(Some(1)).await, total(Some(5)).await], [7, 4, 0]);
    apply(&store, [reparent(id(2), id(7), NewPose::Ride)]).await;
    assert_eq!([total(None).await, total(Some(1)).await, total(Some(6)).await], [7, 1, 4]);
    apply(&store, [Operation::Bury { entity: id(2), subtree: true }]).await;
    assert_eq!([total(None).await, total(Some(6)).await], [4, 1]);
    assert_eq!(denied(store.total(Some(id(2))).await), Refusal::UnknownEntity { entity: id(2) });
}

pub async fn one_question_has_a_limit_of_facets(store: Shared) {
    fleet(&store).await;
    let labels = |count: usize| (0..count).map(|number| label(&format!("l{number}"))).collect::<Vec<_>>();
    assert_eq!(find(&store, None, &labels(Facet::MAX_ANY_OF)).await, []);
    let refusal = denied(store.find(None, &labels(Facet::MAX_ANY_OF + 1), everything()).await);
    assert!(matches!(refusal, Refusal::TooMany { max: 64, .. }), "{refusal:?}");
}

pub async fn facets_are_counted_by_name_too(store: Shared) {
    fleet(&store).await;
    let asked = [label("red"), label("blue"), kind("crate"), label("home"), kind("ship"), kind("ship")];
    let counted = async |below: Option<u64>| store.counts_of(below.map(id), &asked).await.unwrap().value;
    assert_eq!(counted(Some(1)).await, [(kind("crate"), 2), (kind("ship"), 2), (label("red"), 2)]);
    assert_eq!(
        counted(None).await,
        [(kind("crate"), 2), (kind("ship"), 3), (label("home"), 1), (label("red"), 3)]
    );
    assert_eq!(counted(Some(5)).await, []);
    assert_eq!(store.counts_of(None, &[]).await.unwrap().value, []);
    // Many that are asked for and not there, and many that are there and not asked for.
    let marks: Vec<_> = (0..2_000).map(|number| format!("mark-{number:04}")).collect();
    let marked = (10..).zip(marks.chunks(Entity::MAX_LABELS)).map(|(number, marks)| {
        thing(id(number), id(1)).labelled(&marks.iter().map(String::as_str).collect::<Vec<_>>())
    });
    create(&store, marked.collect::<Vec<_>>()).await;
    for step in [2, 7, 500, 1_999] {
        let asked: Vec<_> =
            (0..4_000).step_by(step).map(|number| label(&format!("mark-{number:04}"))).collect();
        let there: Vec<_> =
            (0..2_000).step_by(step).map(|number| (label(&format!("mark-{number:04}")), 1)).collect();
        assert_eq!(store.counts_of(Some(id(1)), &asked).await.unwrap().value, there, "each {step}th");
    }
    let unknown = denied(store.counts_of(Some(id(99)), &asked).await);
    assert_eq!(unknown, Refusal::UnknownEntity { entity: id(99) });
    let asked: Vec<_> = (0..=PageRequest::MAX_FIRST).map(|number| label(&format!("l{number}"))).collect();
    assert_eq!(denied(store.counts_of(None, &asked).await).code(), "TOO_MANY");
}

pub async fn things_far_apart_below_many_nodes_are_all_found(store: Shared) {
    let (boxes, first_item) = (2_200, 10_000);
    create(&store, [world_root(id(1)), thing(id(2), id(1)), thing(id(3), id(1))]).await;
    // Each box of the second room has something in it, every hundredth what is looked for.
    create(&store, (100..100 + boxes).map(|number| thing(id(number), id(3)).of_kind("box"))).await;
    let items = (100..100 + boxes).map(|number| {
        let kind = if number % 100 == 0 { "needle" } else { "straw" };
        thing(id(first_item + number), id(number)).of_kind(kind)
    });
    create(&store, items).await;
    let needles: Vec<_> = (1..=boxes / 100).map(|number| id(first_item + number * 100)).collect();
    let sought = [kind("needle")];
    for below in [None, Some(1), Some(3)] {
        assert_eq!(find(&store, below, &sought).await, needles);
    }
    let pages = walk(7, |page| store.find(Some(id(1)), &sought, page)).await;
    let mut paged: Vec<_> = pages.into_iter().map(|(found, _)| found).collect();
    paged.sort_unstable();
    assert_eq!(paged, needles);
}
