//! Servers as tests use them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use entitygraph_test_neo4j::{Options, Proxy, Server, Side, shared};
use serde_json::json;
use tokio::runtime::Runtime;

const COUNT: &str = "MATCH (n) RETURN count(n) AS nodes";

/// How long a killed process may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_was_committed_survives_a_kill_and_a_wipe_leaves_nothing() -> Result<()> {
    let server = Server::start(Options::default()).await?;
    server.cypher("CREATE CONSTRAINT ship_id FOR (s:Ship) REQUIRE s.id IS UNIQUE").await?;
    server.cypher("CREATE INDEX ship_name FOR (s:Ship) ON (s.name)").await?;
    server.cypher("UNWIND range(1, 15000) AS id CREATE (:Ship {id: id})-[:IN]->(:Port)").await?;
    server.kill()?;
    assert!(!server.is_running()?);
    assert!(server.cypher("RETURN 1").await.is_err());

    server.restart().await?;
    assert_eq!(server.cypher(COUNT).await?, json!([{ "nodes": 30_000 }]));
    let refused = server.cypher("CREATE (:Ship {id: 7})").await.unwrap_err();
    assert!(format!("{refused:#}").contains("ConstraintValidationFailed"), "{refused:#}");

    server.wipe().await?;
    assert_eq!(server.cypher(COUNT).await?, json!([{ "nodes": 0 }]));
    assert_eq!(server.cypher("SHOW CONSTRAINTS").await?, json!([]));
    assert_eq!(server.cypher("SHOW INDEXES YIELD type WHERE type <> 'LOOKUP'").await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn two_servers_run_at_once_and_one_of_them_wants_tls_and_a_password() -> Result<()> {
    let locked = Options { password: Some("it's secret".to_owned()), tls: true, ..Options::default() };
    let (open, locked) = tokio::try_join!(Server::start(Options::default()), Server::start(locked))?;
    locked.cypher("CREATE (:Ship)").await?;
    assert_eq!(open.cypher(COUNT).await?, json!([{ "nodes": 0 }]));
    assert_eq!(locked.cypher(COUNT).await?, json!([{ "nodes": 1 }]));

    let statement = json!({ "statements": [{ "statement": COUNT }] });
    let client = reqwest::Client::new();
    for (password, status) in [("wrong", 401), ("it's secret", 200)] {
        let request = client.post(format!("{}/db/neo4j/tx/commit", locked.http())).json(&statement);
        assert_eq!(request.basic_auth("neo4j", Some(password)).send().await?.status(), status);
    }

    assert!(shakes_hands(open.bolt_port())?);
    assert!(!shakes_hands(locked.bolt_port())?, "TLS is required");
    assert!(open.bolt().starts_with("bolt://") && locked.bolt().starts_with("bolt+s://"));
    assert!(locked.certificate().context("it has one")?.is_file());

    locked.restart().await?;
    assert_eq!(locked.cypher(COUNT).await?, json!([{ "nodes": 1 }]));
    Ok(())
}

/// Whether a server speaks Bolt without TLS.
fn shakes_hands(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(b"\x60\x60\xb0\x17\0\0\x04\x05\0\0\0\0\0\0\0\0\0\0\0\0")?;
    let mut answer = [0; 4];
    Ok(std::io::Read::read_exact(&mut stream, &mut answer).is_ok() && answer == [0, 0, 4, 5])
}

#[test]
fn tests_with_runtimes_of_their_own_share_a_server_in_turn() -> Result<()> {
    let test = || {
        // As each test has one, and a thread that ends with it.
        Runtime::new()?.block_on(async {
            let server = shared().await?;
            assert_eq!(server.cypher(COUNT).await?, json!([{ "nodes": 0 }]));
            server.cypher("CREATE (:Ship)").await?;
            assert_eq!(server.cypher(COUNT).await?, json!([{ "nodes": 1 }]));
            Ok(server.folder().to_owned())
        })
    };
    let tests: Vec<_> = (0..4).map(|_| thread::spawn(test)).collect();
    let folders: Vec<PathBuf> = tests.into_iter().map(|test| test.join().unwrap()).collect::<Result<_>>()?;
    let starts = fs::read_to_string(folders[0].join("logs/neo4j.log"))?.matches("Started.").count();
    assert_eq!(starts, 1, "a server ended with the thread that started it");

    // A test that killed it is no trouble to the next.
    Runtime::new()?.block_on(async { shared().await?.kill() })?;
    assert_eq!(test()?, folders[0]);
    Ok(())
}

#[tokio::test]
async fn a_commit_is_done_though_its_answer_is_cut_off() -> Result<()> {
    let server = shared().await?;
    let proxy = Proxy::start(server.http_port())?;
    let url = format!("http://127.0.0.1:{}/db/neo4j/tx/commit", proxy.port());
    let statement = json!({ "statements": [{ "statement": "CREATE (:Ship)" }] });
    proxy.cut_after(Side::Server, 0)?;
    reqwest::Client::new().post(&url).json(&statement).send().await.unwrap_err();
    assert_eq!(server.cypher(COUNT).await?, json!([{ "nodes": 1 }]));
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let settings = vec![("server.memory.pagecache.size".to_owned(), "a lot".to_owned())];
    let error = Server::start(Options { settings, ..Options::default() }).await.unwrap_err();
    assert!(format!("{error:#}").contains("'a lot' is not a valid size"), "{error:#}");
}

#[tokio::test]
async fn a_server_dies_with_its_process_and_its_folder_is_removed_by_the_next() -> Result<()> {
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["victim", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(victim.stdout.take().context("it is piped")?).lines();
    let mut found = None;
    for line in lines {
        let line = line?;
        if let Some((http_port, folder)) = line.strip_prefix("victim: ").and_then(|line| line.split_once(' '))
        {
            found = Some((http_port.parse::<u16>()?, PathBuf::from(folder)));
            break;
        }
    }
    let (http_port, folder) = found.context("the victim did not say where its server is")?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, http_port))?;

    victim.kill()?;
    victim.wait()?;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, http_port)).is_ok() {
        if Instant::now() > deadline {
            bail!("the server outlives the process that started it");
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(folder.exists());
    Server::start(Options::default()).await?;
    assert!(!folder.exists());
    Ok(())
}

#[tokio::test]
#[ignore = "is run, and killed, by a test"]
async fn victim() -> Result<()> {
    let server = Server::start(Options::default()).await?;
    println!("\nvictim: {} {}", server.http_port(), server.folder().display());
    std::future::pending().await
}
