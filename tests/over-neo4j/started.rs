//! What cannot work is said at the start, with what to do next.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use entitygraph_test_neo4j::{Options, Server as Neo4j, shared};
use entitygraph_tests::process::{Server, command};

use crate::pair::serve;

/// Longest time until the program has given up.
const SOON: Duration = Duration::from_secs(15);

/// Serving this store is refused soon, with all of these words.
fn refused(url: &str, words: &[&str]) -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut command = command(&["serve", "--store", url, "--listen", "127.0.0.1:0"], data.path())?;
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    while child.try_wait()?.is_none() {
        if begun.elapsed() > SOON {
            child.kill()?;
            let output = child.wait_with_output()?;
            bail!("{url}: it goes on\n{}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{url}: {}\n{told}", output.status);
    for word in words {
        ensure!(told.contains(word), "{url}: not a word of `{word}` in\n{told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_not_neo4j_is_said() -> Result<()> {
    let neo4j = shared().await?;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    refused(&format!("bolt://{nobody}"), &["cannot be reached", "is Neo4j running there"])?;
    let http = format!("bolt://127.0.0.1:{}", neo4j.http_port());
    refused(&http, &["cannot be reached", "not 7474"])?;
    let encrypted = neo4j.bolt().replace("bolt", "bolt+s");
    refused(&encrypted, &["cannot be reached", "encryption"])?;
    refused(&format!("{}/elsewhere", neo4j.bolt()), &["no database `elsewhere`", "bolt://HOST/DATABASE"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_others_or_of_another_format_is_refused() -> Result<()> {
    let neo4j = shared().await?;
    neo4j.cypher("CREATE (:Film {title: 'Alien'})").await?;
    refused(&neo4j.bolt(), &["no EntityGraph store", "Film", "choose an empty database or the right one"])?;
    neo4j.wipe().await?;
    let data = tempfile::tempdir()?;
    serve(&neo4j.bolt(), data.path())?.kill()?;
    neo4j.cypher("MATCH (s:Shard) SET s.format = 99").await?;
    refused(&neo4j.bolt(), &["store format 99", "use a newer program"])?;
    neo4j.cypher("MATCH (s:Shard) SET s.format = 0").await?;
    refused(&neo4j.bolt(), &["store format 0", "entitygraph migrate plan --store"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_wrong_encryption_are_said_and_the_right_ones_work() -> Result<()> {
    let options = Options { password: Some("right".to_owned()), tls: true, ..Options::default() };
    let neo4j = Neo4j::start(options).await?;
    let at =
        |scheme: &str, password: &str| format!("{scheme}://neo4j:{password}@127.0.0.1:{}", neo4j.bolt_port());
    refused(&at("bolt+ssc", "wrong"), &["refuses the user", "store.neo4j.password"])?;
    refused(&at("bolt", "right"), &["cannot be reached", "bolt+ssc://"])?;
    // Nobody that this machine trusts has signed its certificate.
    refused(&at("bolt+s", "right"), &["cannot be reached", "bolt+ssc://"])?;
    let data = tempfile::tempdir()?;
    Server::start(&at("bolt+ssc", "right"), data.path())?.kill()?;

    // A user as a new server has one, whose first password is to be changed.
    neo4j.cypher("CREATE USER new SET PASSWORD 'first' CHANGE REQUIRED").await?;
    let as_new = |password: &str| at("bolt+ssc", password).replace("neo4j:", "new:");
    refused(&as_new("first"), &["must be changed", "ALTER CURRENT USER SET PASSWORD", "give the new one"])?;
    for _ in 0..3 {
        refused(&as_new("wrong"), &["refuses the user"])?;
    }
    refused(&as_new("wrong"), &["too many times", "wait some seconds"])
}
