//! One cause, however many items suffer from it, is told once.

use super::*;

const ROOT: &str = "world: w\nentities:\n  - {key: root, kind: universe, zone: {cube: 1e12}}\n";

/// What is told of these entities beside a sound world, and how many of all entities go in.
async fn told(entities: &str) -> (Vec<String>, u64) {
    let mut told = Vec::new();
    for dry_run in [true, false] {
        let store = Arc::new(MemoryStore::new());
        let options = LoadOptions { dry_run, ..LoadOptions::default() };
        let text = format!("world: w\n{entities}");
        let report = load_with(&store, &[("root.yaml", ROOT), ("x.yaml", &text)], options).await;
        let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
        assert_eq!(report.problem_count, problems.len() as u64, "{report}");
        told.push((problems, report.total().created));
    }
    let real = told.pop().unwrap();
    assert_eq!(told.pop().unwrap(), real, "a dry run (left) says what comes (right)");
    real
}

fn many(one: impl Fn(usize) -> String) -> String {
    (0..99).map(one).collect()
}

#[tokio::test]
async fn a_parent_that_is_not_there_is_told_once() {
    let below = many(|n| format!("  - {{key: k{n}, kind: x, parent: rot}}\n"));
    let (problems, created) = told(&format!("entities:\n{below}")).await;
    assert_eq!(
        problems,
        [
            "x.yaml:3:32: entities[0].parent: there is no entity `rot`, neither in the files that could be read nor in the \
          store: did you mean `root`?; 98 more items are left out because of it"
        ]
    );
    assert_eq!(created, 1);
}

#[tokio::test]
async fn a_parent_that_is_left_out_is_told_once_with_what_needs_it() {
    // One that the reader refuses, and one that the store does.
    for (wrong, message) in [
        ("{key: a, kind: x, parent: root, radius: -1}", "it cannot be negative"),
        ("{key: a, kind: x}", "entity `a` has no parent, so it must be a zone"),
    ] {
        let below = many(|n| format!("  - {{key: k{n}, kind: x, parent: {}}}\n", ["a", "k0"][n.min(1)]));
        let links = "links:\n  - {kind: jump, between: [root, k7]}\n";
        let (problems, created) = told(&format!("entities:\n  - {wrong}\n{below}{links}")).await;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(message), "{problems:#?}");
        assert!(problems[0].ends_with("; 100 more items are left out because of it"), "{problems:#?}");
        assert_eq!(created, 1);
    }
}

#[tokio::test]
async fn what_is_below_a_mistake_in_a_list_is_counted_with_it() {
    let below = many(|n| format!("      - {{key: /k{n}, kind: x}}\n"));
    let text = format!("entities:\n  - key: a\n    kind: x y\n    parent: root\n    children:\n{below}");
    let (problems, _) = told(&text).await;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].ends_with("; 99 more items are left out because of it"), "{problems:#?}");
}

#[tokio::test]
async fn a_component_or_container_that_was_refused_is_named_as_the_cause() {
    for (wrong, uses, message) in [
        (
            "components:\n  - {name: c, variables: [{name: v, type: int, default: 1.5}]}\n",
            "values: {c: {v: 1}}",
            "components[0].variables[0].default: it takes a whole number",
        ),
        (
            "components:\n  - {name: c, variables: [{name: v, type: imt, default: 1}]}\n",
            "values: {c: {v: 1}}",
            "components[0].variables[0].type: ",
        ),
        ("containers:\n  - {name: c, kind: x y}\n", "container: c", "containers[0].kind: a kind `x y`"),
        ("containers:\n  - {name: c, kind: x, radius: big}\n", "container: c", "containers[0].radius: "),
    ] {
        let users = many(|n| {
            format!(
                "  - {{key: k{n}, {}parent: root, {uses}}}\n",
                if uses.contains("container") { "" } else { "kind: x, " }
            )
        });
        let (problems, _) = told(&format!("{wrong}entities:\n{users}")).await;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(message), "{problems:#?}");
        assert!(problems[0].ends_with("; 99 more items are left out because of it"), "{problems:#?}");
    }
}

#[tokio::test]
async fn an_entity_that_cannot_be_read_is_the_cause_of_what_is_below_it() {
    let below = many(|n| format!("  - {{key: k{n}, kind: x, parent: a}}\n"));
    let (problems, _) =
        told(&format!("entities:\n  - {{key: a, kind: x, parent: root, size: 1}}\n{below}")).await;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(
        problems[0].starts_with("x.yaml:3:")
            && problems[0].contains("entities[0].size: ")
            && problems[0].contains("; 99 more items")
    );
}

#[tokio::test]
async fn parts_are_named_by_their_keys_too() {
    let store = Arc::new(MemoryStore::new());
    let text = "world: w\nentities:\n  - {key: x, kind: y, parent: freighter/hold/locker, port: p}\n";
    let report = load(&store, &[("x.yaml", text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert!(
        report.problems[0].message.contains("entity `freighter/hold/locker` has no port `p`"),
        "{report}"
    );
}
