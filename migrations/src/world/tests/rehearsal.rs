//! A dry run says what the real run then does.

use super::*;

/// Loads files dry, then for real, each into a store that is as `before` leaves it; both must say the same.
async fn both(before: &str, files: &str) -> Report {
    let mut reports = Vec::new();
    for dry_run in [true, false] {
        let store = Arc::new(MemoryStore::new());
        load(&store, &[("t.yaml", TEMPLATES), ("s.yaml", SKY), ("before.yaml", before)]).await;
        let options = LoadOptions { dry_run, ..LoadOptions::default() };
        let files = [("t.yaml", TEMPLATES), ("s.yaml", SKY), ("x.yaml", files)];
        reports.push(load_with(&store, &files, options).await);
    }
    let [dry, real] = [&reports[0], &reports[1]].map(|report| {
        let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
        (problems, report.total())
    });
    assert_eq!(dry, real, "a dry run (left) says what comes (right)");
    reports.remove(0)
}

/// Entities one below the other from `first` on, the first below `parent`.
fn chain(parent: &str, names: std::ops::Range<usize>) -> String {
    let mut text = String::from("world: w\nentities:\n");
    for n in names.clone() {
        let parent = if n == names.start { parent.to_owned() } else { format!("k{}", n - 1) };
        text += &format!("  - {{key: k{n}, kind: x, parent: {parent}}}\n");
    }
    text
}

#[tokio::test]
async fn a_world_that_is_too_deep_is_refused_by_the_dry_run_too() {
    let report = both("", &chain("root", 1..1_030)).await;
    assert_eq!((report.problem_count, report.total().refused), (1, 5), "{report}");
    let problem = report.problems[0].to_string();
    assert!(
        problem.starts_with(
            "x.yaml:1027:11: entities[1024]: too many entities above one: 1025, the limit is 1024"
        )
    );
    // The first thousand are in the store.
    let report = both(&chain("root", 1..1_001), &chain("k1000", 1_001..1_030)).await;
    assert_eq!((report.problem_count, report.total().refused), (1, 5), "{report}");
}

#[tokio::test]
async fn links_that_cannot_be_are_refused_with_their_field() {
    for (link, message) in [
        ("between: [root, root]", "x.yaml:3:27: links[0].between: a link needs two different entities"),
        (
            "between: [root, freighter], cost: 0",
            "x.yaml:3:52: links[0].cost: a link needs two different entities",
        ),
        ("between: [root, freighter], cost: -1", "x.yaml:3:52: links[0].cost: "),
        ("between: [root, freighter], cost: .inf", "x.yaml:3:52: links[0].cost: "),
    ] {
        let report = both("", &format!("world: w\nlinks:\n  - {{kind: jump, {link}}}\n")).await;
        assert_eq!(report.problem_count, 1, "{link}: {report}");
        assert!(report.problems[0].to_string().starts_with(message), "{link}: {report}");
    }
}

#[tokio::test]
async fn what_a_container_or_component_forbids_is_refused_by_the_dry_run_too() {
    let templates = "world: w\ncomponents:\n  - {name: aim, variables: [{name: at, type: int, default: 0, persisted: false}]}\n\
        containers:\n  - {name: smoke, kind: smoke, transient: true}\nentities:\n";
    for (entity, message) in [
        ("{key: x, container: smoke, parent: root, expand: false}", "container `smoke` is transient"),
        ("{key: x, kind: x, parent: root, values: {aim: {at: 1}}}", "is not persisted"),
    ] {
        let report = both("", &format!("{templates}  - {entity}\n")).await;
        assert_eq!(report.problem_count, 1, "{entity}: {report}");
        assert!(report.problems[0].message.contains(message), "{entity}: {report}");
    }
}
