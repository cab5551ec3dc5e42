//! What to do next about a failure, by the kind of the store: a folder is copied, a database of a server is dumped.

/// Whether a location is a database of a server; all others are folders.
fn is_database(location: &str) -> bool {
    location.contains("://")
}

/// When there is no store.
pub fn missing(location: &str) -> &'static str {
    if is_database(location) {
        "name the database that has one behind the host (bolt://HOST/DATABASE), or begin one by `entitygraph serve`, `ingest`, \
         `restore` or `copy`"
    } else {
        "name the folder that has one with --data, or the store with --store"
    }
}

/// When somebody else's data is there.
pub fn foreign(location: &str) -> &'static str {
    if is_database(location) {
        "choose an empty database or the right one (bolt://HOST/DATABASE); a Neo4j Community server has one, so start another \
         server for EntityGraph"
    } else {
        "choose an empty folder or the right one"
    }
}

/// How to keep a store as it is before anything is done to it.
pub fn keep(location: &str) -> &'static str {
    if is_database(location) {
        "stop Neo4j, dump the database (neo4j-admin database dump) and start it again"
    } else {
        "copy the folder away"
    }
}

/// What to do about damage.
pub fn damaged(location: &str) -> String {
    let keep = keep(location);
    if is_database(location) {
        format!(
            "`entitygraph migrate verify --store {location}` (with the account) says what else is; stop what uses it, {keep}, then \
             restore the newest backup or ingest the last export into an empty database"
        )
    } else {
        format!(
            "stop what uses it, {keep}, check the disk, then restore the newest backup or ingest the last export into a new folder"
        )
    }
}

/// What to look at where a server is not found.
pub const CHECKS: &str = "is Neo4j running there, is this its Bolt port (7687 by default, not 7474), and does it want encryption \
     (bolt+s:// or bolt+ssc://) where the URL has none, or none where it has?";

/// When a server did not answer in time: what it did, behind its name.
pub fn silent(operation: &str, answers_others: bool) -> String {
    const LIMIT: &str = "in the time of the setting store.neo4j.answer_timeout_ms";
    if answers_others {
        format!(
            "did not answer {LIMIT} when {operation}, though it answered others: ask for less at once, or raise the setting"
        )
    } else {
        format!("is away or overloaded: it answered nobody {LIMIT} ({operation})")
    }
}

/// When a server ended what took too long.
pub fn too_long(waited: bool) -> &'static str {
    if waited {
        "while it waited for the lock of another write: try again in a moment; if that never helps, SHOW TRANSACTIONS says who \
         holds it, as a machine may have vanished while it wrote (db.transaction.timeout of the server ends that)"
    } else {
        "because it took longer than db.transaction.timeout allows: ask for less at once, or raise it in the server's neo4j.conf"
    }
}

/// When a database stopped by itself.
pub fn halted(reason: &str) -> String {
    const THEN: &str = "restart Neo4j";
    if reason.contains("No space left") {
        format!(", because the disk of its server is full: make room there, then {THEN}")
    } else if reason.is_empty() {
        format!(
            ", most often because the disk of its server is full: see SHOW DATABASES and the server's logs, make room, then {THEN}"
        )
    } else {
        format!(" ({reason}): see the server's logs, mend that, then {THEN}")
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, Outcome};

    #[test]
    fn less_is_to_be_asked_for_only_of_a_server_that_is_there() {
        for (answers_others, word, outage) in
            [(true, "ask for less", false), (false, "is away or overloaded", true)]
        {
            let (location, source) = ("bolt://localhost:7687".to_owned(), "timed out".into());
            let error = Error::Silent { location, operation: "reading ancestors", answers_others, source };
            let told = error.to_string();
            assert!(told.contains(word), "{told}");
            assert_eq!((error.is_outage(), error.checks().is_some()), (outage, outage), "{told}");
            assert!(answers_others || !told.contains("ask for less"), "{told}");
        }
    }

    #[test]
    fn nobody_is_told_to_copy_the_folder_of_a_server() {
        for (location, folder) in [("fjall:data/world", true), ("bolt://localhost:7687/shard-1", false)] {
            let location = || location.to_owned();
            let what = || "a commit".to_owned();
            for error in [
                Error::Missing { location: location() },
                Error::Foreign { location: location(), found: what() },
                Error::OlderFormat { location: location(), found: 0, known: 1 },
                Error::Corrupt { location: location(), what: what(), outcome: Outcome::NotApplied },
            ] {
                let told = error.to_string();
                assert_eq!(told.contains("folder"), folder, "{told}");
                assert_eq!(told.contains("database"), !folder, "{told}");
            }
        }
    }
}
