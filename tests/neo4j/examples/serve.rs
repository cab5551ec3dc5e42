//! Runs a Neo4j until Ctrl-C, to look at by hand or to measure against.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use entitygraph_test_neo4j::{Options, Server};

/// Runs a Neo4j until Ctrl-C, to look at by hand or to measure against.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it keeps its data; without, in a temporary folder that is removed at the end
    #[arg(long)]
    folder: Option<PathBuf>,
    #[arg(long, default_value_t = 7687)]
    bolt_port: u16,
    #[arg(long, default_value_t = 7474)]
    http_port: u16,
    /// Largest heap of the JVM, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    heap: u32,
    /// Memory for pages of the store's files, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    page_cache: u32,
    /// Password of the user neo4j; without, there is no authentication
    #[arg(long)]
    password: Option<String>,
    /// Bolt over TLS only
    #[arg(long)]
    tls: bool,
    /// A line of neo4j.conf; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    setting: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = Server::start(Options {
        folder: arguments.folder,
        bolt_port: Some(arguments.bolt_port),
        http_port: Some(arguments.http_port),
        heap_mib: arguments.heap,
        page_cache_mib: arguments.page_cache,
        password: arguments.password,
        tls: arguments.tls,
        settings: arguments.setting,
    })
    .await?;
    println!("bolt    {}", server.bolt());
    println!("http    {}", server.http());
    println!("folder  {}", server.folder().display());
    println!("runs until Ctrl-C");
    tokio::signal::ctrl_c().await?;
    server.stop().await
}
