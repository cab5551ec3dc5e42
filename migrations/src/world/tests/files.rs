//! Files and documents: broken, deep, odd, and how they are found.

use super::*;

#[tokio::test]
async fn one_truncated_document_does_not_lose_the_others() {
    let store = Arc::new(MemoryStore::new());
    let text = format!(
        "{TEMPLATES}---\n{SKY}---\nworld: w\nentities:\n  - {{key: y, kind: z, parent: root, children: ["
    );
    let report = load(&store, &[("all.yaml", &text)]).await;
    assert_eq!((report.total().created, report.problem_count), (14, 1), "{report}");
    let lines = text.lines().count();
    assert!(report.problems[0].to_string().starts_with(&format!("all.yaml:{lines}:")), "{report}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_costs_itself_only() {
    let store = Arc::new(MemoryStore::new());
    let text = r#"world: w
components:
  - {name: bad, variables: [{name: v, type: flaot, default: 0}]}
  - {name: good, variables: [{name: v, type: float, default: 0}]}
containers:
  - {name: bad, kind: x, radius: wide}
  - {name: good, kind: x}
entities:
  - key: bad
    kind: x
    parent: root
    children:
      - {key: /also-bad, kind: x, radius: big}
    radius: big
  - {key: a, kind: x, parent: root}
  - key: b
    kind: x
    parent: root
    children:
      - {key: /bad, kind: x, colour: red}
      - {key: /c, kind: x}
links:
  - {kind: jump, between: [a]}
  - {kind: jump, between: [a, b]}
"#;
    let report = load(&store, &[("x.yaml", text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "x.yaml:3:45: components[0].variables[0].type: ",
        "x.yaml:6:34: containers[0].radius: ",
        "x.yaml:13:43: entities[0].children[0].radius: ",
        "x.yaml:14:13: entities[0].radius: ",
        "x.yaml:20:30: entities[2].children[0].colour: ",
        "x.yaml:23:18: links[0].between: ",
    ];
    let right = |(problem, expected): (&String, &str)| problem.starts_with(expected);
    assert!(problems.len() == expected.len() && problems.iter().zip(expected).all(right), "{problems:#?}");
    assert_eq!(report.total().created, 14 + 6, "{report}");
    assert_eq!(entity(&store, "b/c").await.ordinal, 1, "it keeps its place");
}

#[tokio::test]
async fn what_is_given_twice_costs_its_item_only() {
    for (wrong, message) in [
        (
            "{key: x, kind: y, kind: z, parent: root}",
            "x.yaml:3:5: entities[0]: the field `kind` is given twice",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {hull: 1, hull: 2}}}",
            "entities[0].values.ship: `hull` is given twice",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {}, ship: {}}}",
            "entities[0].values: `ship` is given twice",
        ),
        (
            "{key: x, container: ship/hauler, parent: root, parts: {hold: {}, hold: {}}}",
            "entities[0].parts: `hold` is given twice",
        ),
    ] {
        let store = Arc::new(MemoryStore::new());
        let text = format!("world: w\nentities:\n  - {wrong}\n  - {{key: z, kind: y, parent: root}}\n");
        let report = load(&store, &[("x.yaml", &text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
        assert_eq!((report.total().created, report.problem_count), (15, 1), "{report}");
        let problem = report.problems[0].to_string();
        assert!(problem.starts_with("x.yaml:3:") && problem.contains(message), "{report}");
    }
}

#[tokio::test]
async fn a_document_full_of_mistakes_ends() {
    let store = Arc::new(MemoryStore::new());
    let text = format!("world: w\nentities:\n{}", "  - {key: a, kind: x, radius: big}\n".repeat(1_000));
    let report = load(&store, &[("x.yaml", &text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!((report.total().created, report.problem_count), (14, 101), "{report}");
    let last = report.problems.iter().find(|problem| problem.message.contains("whole document")).unwrap();
    assert!(last.to_string().starts_with("x.yaml:103:31: entities[100].radius: "), "{last}");
    assert!(last.message.contains("the last of over 100 mistakes"), "{last}");
}

#[tokio::test]
async fn deep_and_odd_files_are_refused_and_not_crashed_on() {
    let store = Arc::new(MemoryStore::new());
    let deep = format!("world: w\nentities: {}", "[{key: a, kind: b, children: ".repeat(5_000));
    let lists = format!("entities: {}", "[".repeat(100_000));
    let values = format!("world: w\nentities: [{{key: a, kind: b, values: {{c: {{v: {}", "[".repeat(100_000));
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
        c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nentities: [*c, *c]";
    for (name, text) in [
        ("deep", &*deep),
        ("lists", &lists),
        ("values", &values),
        ("bomb", bomb),
        ("text", "just words"),
        ("tab", "\tx: y"),
        ("nul", "a\0b"),
    ] {
        let report = load(&store, &[(name, text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
        assert_eq!(report.problem_count, 1, "{name}: {report}");
        assert_eq!(&*report.problems[0].origin.file, name);
    }
    let report = load(
        &store,
        &[("empty", ""), ("comment", "# nothing\n---\n"), ("s.yaml", SKY), ("t.yaml", TEMPLATES)],
    )
    .await;
    assert_eq!(report.problem_count, 0, "{report}");
}

#[tokio::test]
async fn thirty_entities_one_below_the_other_are_fine() {
    let store = Arc::new(MemoryStore::new());
    let levels = 30;
    let open: String = (0..levels)
        .map(|n| {
            format!("{{key: k{n}, kind: x, parent: root, children: [")
                .replace("parent: root, ", if n == 0 { "parent: root, " } else { "" })
        })
        .collect();
    let text = format!("world: w\nentities: [{open}{}]", "]}".repeat(levels));
    let report = load(&store, &[("a.yaml", &text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!((report.problem_count, report.total().created), (0, 14 + levels as u64), "{report}");
}

#[tokio::test]
async fn anchors_and_merges_save_writing() {
    let store = Arc::new(MemoryStore::new());
    let text = "world: w\nentities:\n  - &rock {key: r1, kind: rock, parent: root, radius: 7}\n  - {<<: *rock, key: r2}\n";
    let report = load(&store, &[("a.yaml", text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(entity(&store, "r2").await.radius, 7.0);
}

#[test]
fn a_folder_is_read_with_the_folders_below_it_and_other_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    for (name, text) in [("b/sky.yml", SKY), ("templates.yaml", TEMPLATES), ("read.me", "hello")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("broken.yaml"), b"world: \xff\xfe").unwrap();
    let files = WorldFiles::open(folder.path()).unwrap();
    assert_eq!(files.others, ["read.me"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(MemoryStore::new());
    let report = runtime.block_on(ingest(store, files, LoadOptions::default(), Arc::new(Silent))).unwrap();
    assert_eq!((report.total().created, report.problem_count), (14, 1), "{report}");
    assert!(
        report.problems[0].to_string().starts_with("broken.yaml: the file cannot be read on: "),
        "{report}"
    );
}

#[test]
fn endings_may_be_in_capitals_and_hidden_files_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (path, broken) = (|name: &str| folder.path().join(name), "world: [");
    for (name, text) in
        [("SKY.YAML", SKY), ("templates.Yml", TEMPLATES), (".sky.yaml", broken), (".sky.yaml.swp", "b0")]
    {
        std::fs::write(path(name), text).unwrap();
    }
    std::fs::create_dir(path(".git")).unwrap();
    std::fs::write(path(".git/old.yaml"), broken).unwrap();
    std::os::unix::fs::symlink("nobody@nowhere", path(".#sky.yaml")).unwrap();
    let files = WorldFiles::open(folder.path()).unwrap();
    assert_eq!((files.others.len(), files.hidden), (0, 4));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(MemoryStore::new());
    let report = runtime.block_on(ingest(store, files, LoadOptions::default(), Arc::new(Silent))).unwrap();
    assert_eq!((report.total().created, report.problem_count), (14, 0), "{report}");
    assert_eq!(report.not_used["hidden files and folders"], 4);
}

#[tokio::test]
async fn a_world_that_holds_nothing_is_a_mistake() {
    for text in ["", "# later", "world: w\nformat: 1", "entities: []"] {
        let report = load(&Arc::new(MemoryStore::new()), &[("a.yaml", text)]).await;
        assert_eq!(report.problem_count, 1, "{text}: {report}");
        assert!(
            report.problems[0].message.starts_with("there is no component, container, entity or link in it")
        );
    }
    let empty_export = "---\nformat: 1\nexported: true\n---\nend: {entities: 0, links: 0}\n";
    let report = load(&Arc::new(MemoryStore::new()), &[("a.yaml", empty_export)]).await;
    assert_eq!(report.problem_count, 0, "{report}");
}

#[test]
fn a_link_that_leads_back_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("a.yaml"), SKY).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("b/up")).unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("b/up leads back to a folder that it is in: remove that link"), "{error}");
    std::fs::remove_file(folder.path().join("b/up")).unwrap();
    std::os::unix::fs::symlink("round", folder.path().join("b/round")).unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("b/round cannot be read"), "{error}");
}

#[test]
fn a_path_without_a_world_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no .yaml, .yml or .json file"), "{error}");
    let error = WorldFiles::open(&folder.path().join("nothing")).unwrap_err().to_string();
    assert!(error.contains("nothing cannot be read"), "{error}");
}
