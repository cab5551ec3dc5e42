//! Every statement that the store runs, and the schema that serves them.
//!
//! A test asks the server for the plan of each: none may scan what an index can find.

use super::{link_row::link_row, statement::Statement};

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $doing:literal, $text:expr;)*) => {
        $($(#[$doc])* pub const $name: Statement = Statement { name: stringify!($name), doing: $doing, text: $text };)*

        /// All of them, for the test of their plans.
        #[cfg(test)]
        pub const ALL: &[(&str, Statement)] = &[$((stringify!($name), $name)),*];
    };
}

/// Constraints and indexes. Names are fixed, so that a second run changes nothing.
pub const SCHEMA: &[&str] = &[
    "CREATE CONSTRAINT entity_id IF NOT EXISTS FOR (e:Entity) REQUIRE e.id IS UNIQUE",
    "CREATE CONSTRAINT buried_id IF NOT EXISTS FOR (b:Buried) REQUIRE b.id IS UNIQUE",
    "CREATE CONSTRAINT container_id IF NOT EXISTS FOR (c:Container) REQUIRE c.id IS UNIQUE",
    "CREATE CONSTRAINT component_id IF NOT EXISTS FOR (c:Component) REQUIRE c.id IS UNIQUE",
    "CREATE CONSTRAINT owner_id IF NOT EXISTS FOR (o:Owner) REQUIRE o.id IS UNIQUE",
    "CREATE CONSTRAINT facet_set_number IF NOT EXISTS FOR (f:FacetSet) REQUIRE f.number IS UNIQUE",
    "CREATE CONSTRAINT commit_cursor IF NOT EXISTS FOR (c:Commit) REQUIRE c.cursor IS UNIQUE",
    "CREATE CONSTRAINT operation_id IF NOT EXISTS FOR (o:Operation) REQUIRE o.id IS UNIQUE",
    "CREATE CONSTRAINT shard_number IF NOT EXISTS FOR (s:Shard) REQUIRE s.number IS UNIQUE",
    "CREATE CONSTRAINT gate_number IF NOT EXISTS FOR (g:Gate) REQUIRE g.number IS UNIQUE",
    "CREATE CONSTRAINT log_number IF NOT EXISTS FOR (l:Log) REQUIRE l.number IS UNIQUE",
    "CREATE INDEX entity_rank IF NOT EXISTS FOR (e:Entity) ON (e.rank)",
    "CREATE INDEX entity_children IF NOT EXISTS FOR (e:Entity) ON (e.parent, e.ordinal, e.rank)",
    "CREATE INDEX entity_children_by_name IF NOT EXISTS FOR (e:Entity) ON (e.parent, e.folded, e.rank)",
    "CREATE INDEX entity_facets IF NOT EXISTS FOR (e:Entity) ON (e.parent, e.facets, e.rank)",
    "CREATE INDEX entity_name IF NOT EXISTS FOR (e:Entity) ON (e.folded, e.rank)",
    "CREATE INDEX entity_owner IF NOT EXISTS FOR (e:Entity) ON (e.owner, e.rank)",
    "CREATE INDEX entity_port IF NOT EXISTS FOR (e:Entity) ON (e.parent, e.port)",
    "CREATE INDEX entity_cell IF NOT EXISTS FOR (e:Entity) ON (e.zone, e.cell, e.rank)",
    "CREATE INDEX host_cell IF NOT EXISTS FOR (e:Zone) ON (e.hostZone, e.hostCell, e.rank)",
    "CREATE INDEX inner_children IF NOT EXISTS FOR (e:Inner) ON (e.parent, e.rank)",
    "CREATE INDEX buried_rank IF NOT EXISTS FOR (b:Buried) ON (b.rank)",
    "CREATE INDEX operation_cursor IF NOT EXISTS FOR (o:Operation) ON (o.cursor)",
    "CREATE INDEX operation_idle IF NOT EXISTS FOR (o:Operation) ON (o.idle)",
    "CREATE INDEX link_low IF NOT EXISTS FOR ()-[l:LINKED]-() ON (l.low)",
    "CREATE INDEX link_from IF NOT EXISTS FOR ()-[l:LINKED]-() ON (l.from)",
    "CREATE INDEX link_to IF NOT EXISTS FOR ()-[l:LINKED]-() ON (l.to)",
];

/// How long the server lets a transaction live. Not among the others: it has no plan.
pub const PATIENCE: Statement = Statement {
    name: "PATIENCE",
    doing: "asking how long a transaction may live",
    text: "SHOW SETTINGS 'db.transaction.timeout' YIELD value RETURN value",
};

/// What each read begins with: how far commits have come.
macro_rules! framed {
    ($($inner:tt)+) => {
        concat!(
            "MATCH (g:Gate {number: 0}) WITH g.begun AS begun, g.complete AS complete CALL { ",
            $($inner)+,
            " } MATCH (h:Gate {number: 0}) RETURN begun, complete, answer, h.ended AS ended"
        )
    };
}

/// How many entities a subtree of an extent has, up to a limit, and their records if they are fewer.
macro_rules! subtree {
    ($pattern:literal) => {
        framed!(concat!(
            "MATCH (r:Entity {id: $id}) MATCH ",
            $pattern,
            " WITH d LIMIT $limit WITH collect(d) AS found \
             RETURN [size(found), CASE WHEN size(found) < $limit THEN [d IN found | d.record] ELSE [] END] AS answer"
        ))
    };
}

statements! {
    /// Whether the database is empty, ours, or somebody else's.
    WHOSE: "looking whose the database is",
        "OPTIONAL MATCH (s:Shard {number: 0}) \
         CALL { MATCH (n) RETURN labels(n) AS found LIMIT 1 UNION ALL RETURN null AS found } \
         RETURN s.format AS format, s.step AS step, collect(found) AS found";
    /// Waits until indexes that were just made answer.
    READY: "waiting for indexes", "CALL db.awaitIndexes(300)";
    /// Begins a store.
    BEGIN: "beginning the store",
        "MERGE (s:Shard {number: 0}) ON CREATE SET s.format = $format, s.cursor = $begin, \
         s.lease = $lease, s.facetSets = 0, s.idle = 0, s.logEnd = 0 \
         MERGE (g:Gate {number: 0}) ON CREATE SET g.begun = $begin, g.ended = $begin, g.complete = $begin \
         MERGE (l:Log {number: 0}) ON CREATE SET l.first = $begin + 1, l.start = 0, l.idle = 0 \
         RETURN s.cursor AS cursor";
    /// What there is beside entities.
    CATALOG: "reading the catalog",
        "CALL { MATCH (c:Component) RETURN collect(c.record) AS components } \
         CALL { MATCH (c:Container) RETURN collect(c.record) AS containers } RETURN components, containers";
    /// Sets of facets from a number on.
    FACET_SETS: "reading the sets of facets",
        "MATCH (f:FacetSet) WHERE f.number >= $from WITH f ORDER BY f.number RETURN collect(f.facets) AS answer";
    /// The operation id of the newest commit of a move.
    MOVED: "looking for what was moved in", "MATCH (s:Shard {number: 0}) RETURN s.moved AS moved";
    /// The newest cursor.
    NEWEST: "looking for new commits",
        "MATCH (s:Shard {number: 0}) MATCH (g:Gate {number: 0}) MATCH (l:Log {number: 0}) \
         RETURN s.cursor AS cursor, l.first AS first, g.begun AS begun, g.complete AS complete";
    /// Pages of commits in order, no more than some bytes behind the first one.
    COMMITS: "reading the change sequence",
        "MATCH (s:Shard {number: 0}) MATCH (l:Log {number: 0}) WITH s.cursor AS cursor, l.first AS first \
         CALL { MATCH (c:Commit) WHERE c.cursor > $after WITH c ORDER BY c.cursor LIMIT $limit WITH collect(c) AS pages \
         UNWIND [c IN pages WHERE c.end - head(pages).end <= $bytes] AS c \
         RETURN collect([c.first, c.cursor, c.until, c.records]) AS answer } RETURN cursor, first, answer";
    /// Takes the shard's lock; every write begins with it, so writes have one order. Reads what the batch names on the way.
    LOCK: "taking the shard's lock and reading what is to be changed", concat!(
        "MATCH (s:Shard {number: 0}) SET s.lock = true WITH s MATCH (g:Gate {number: 0}) \
         WITH s.format AS format, g.begun AS begun, s.cursor AS cursor, s.lease AS lease, s.facetSets AS facetSets, s.census AS census, \
         s.idle AS idle, s.logEnd AS logEnd, s.mark AS mark \
         CALL { UNWIND $ids AS id MATCH (e:Entity {id: id})-[:IN*0..]->(a) WITH DISTINCT a \
         RETURN collect([a.record, a.census, a.reach]) AS entities } \
         CALL { UNWIND $new AS id MATCH (e:Entity {id: id}) \
         RETURN collect([e.record, e.census, e.reach]) AS taken } \
         CALL { UNWIND $new AS id MATCH (b:Buried {id: id}) RETURN collect(b.id) AS buried } \
         CALL { UNWIND $ports AS p MATCH (e:Entity {parent: p.parent, port: p.port}) \
         RETURN collect([e.record, e.census, e.reach]) AS occupants } \
         CALL { UNWIND $pairs AS p MATCH (:Entity {id: p.a})-[l:LINKED {kind: p.kind}]->(:Entity {id: p.b}) \
         RETURN collect(", link_row!(), ") AS pairs } \
         CALL { UNWIND $around AS id MATCH (e:Entity {id: id})-[l:LINKED]-() WITH DISTINCT l \
         RETURN collect(", link_row!(), ") AS links } \
         CALL { UNWIND $operations AS id MATCH (o:Operation {id: id}) \
         RETURN collect([o.id, o.fingerprint, o.cursor]) AS operations } \
         RETURN format, begun, cursor, lease, facetSets, census, idle, logEnd, mark, entities, taken, buried, occupants, pairs, links, operations");
    /// Buried ids of a range, if they are few.
    BURIED: "looking for buried ids",
        "MATCH (b:Buried) WHERE b.rank >= $low AND b.rank <= $high WITH b LIMIT $limit RETURN collect(b.id) AS buried";
    /// What is below something that moves or dies, with its links.
    BELOW: "reading what is below what moves or dies", concat!(
        "CALL { UNWIND $ids AS id MATCH (e:Entity {id: id})<-[:IN*1..]-(d) WITH DISTINCT d LIMIT $limit \
         RETURN collect([d.record, d.census, d.reach]) AS entities } \
         CALL { UNWIND $ids AS id MATCH (e:Entity {id: id})<-[:IN*1..]-(d)-[l:LINKED]-() WITH DISTINCT l LIMIT $limit \
         RETURN collect(", link_row!(), ") AS links } \
         RETURN entities, links");
    /// Takes the lock alone.
    HOLD: "taking the shard's lock",
        "MATCH (s:Shard {number: 0}) SET s.lock = true WITH s MATCH (g:Gate {number: 0}) \
         RETURN s.format AS format, s.cursor AS cursor, s.mark AS mark, g.begun AS begun";
    /// What became of a batch whose commit was not answered: with the lock, so that it has ended either way.
    FATE: "asking what became of a commit",
        "MATCH (s:Shard {number: 0}) SET s.lock = true WITH s OPTIONAL MATCH (c:Commit {cursor: $cursor}) \
         RETURN coalesce(s.mark = $mark, false) OR coalesce(c.mark = $mark, false) AS applied";
    /// The last ids of a range that are or were an entity's.
    USED: "looking for used ids",
        "CALL { MATCH (e:Entity) WHERE e.rank >= $first AND e.rank <= $last RETURN max(e.rank) AS living } \
         CALL { MATCH (b:Buried) WHERE b.rank >= $first AND b.rank <= $last RETURN max(b.rank) AS dead } \
         RETURN living, dead";
    /// New nodes, whose parents are in this message or an earlier one: what they hang on is looked up when all are there.
    CREATE: "creating entities",
        "CALL { UNWIND range(0, size($rows) - 1) AS place WITH place, $rows[place] AS row \
         CREATE (e:Entity:$(row.labels)) SET e += row.properties WITH e, place ORDER BY place RETURN collect(e) AS made } \
         CALL (made) { UNWIND $parents AS g MATCH (p:Entity {id: g.id}) UNWIND g.members AS m \
         WITH p, made[m[0]] AS e, m[1] AS port CREATE (e)-[:IN {port: port}]->(p) } \
         CALL (made) { UNWIND $containers AS g MATCH (c:Container {id: g.id}) UNWIND g.members AS m \
         WITH c, made[m] AS e CREATE (e)-[:INSTANCE_OF]->(c) } \
         CALL (made) { UNWIND $owners AS g MERGE (o:Owner {id: g.id}) WITH o, g UNWIND g.members AS m \
         WITH o, made[m] AS e CREATE (e)-[:OWNED_BY]->(o) } \
         RETURN 1 AS done";
    /// Labels that come and go.
    RELABEL: "changing the labels of entities",
        "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) SET e:$(row.add) REMOVE e:$(row.remove)";
    /// New parents and ports.
    MOVE: "moving entities",
        "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) \
         CALL (e) { MATCH (e)-[old:IN]->() DELETE old } \
         WITH e, row MATCH (p:Entity {id: row.parent}) CREATE (e)-[:IN {port: row.port}]->(p)";
    /// New owners.
    OWN: "changing owners",
        "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) \
         CALL (e) { MATCH (e)-[old:OWNED_BY]->() DELETE old } \
         WITH e, row WHERE row.owner IS NOT NULL MERGE (o:Owner {id: row.owner}) CREATE (e)-[:OWNED_BY]->(o)";
    /// The end of entities.
    BURY: "burying entities",
        "UNWIND $rows AS row MATCH (e:Entity {id: row.id}) DETACH DELETE e";
    /// Ids that never come back.
    ENTOMB: "keeping the ids of buried entities",
        "UNWIND $rows AS row CREATE (b:Buried) SET b = row";
    /// New links, costs and zones of ends.
    LINK: "writing links",
        "UNWIND $rows AS row MATCH (a:Entity {id: row.a}) MATCH (b:Entity {id: row.b}) \
         MERGE (a)-[l:LINKED {kind: row.kind}]->(b) SET l.low = row.low, l.cost = row.cost, l.from = row.from, l.to = row.to";
    /// Links that are gone, where both ends live.
    UNLINK: "taking links away",
        "UNWIND $rows AS row MATCH (:Entity {id: row.a})-[l:LINKED {kind: row.kind}]->(:Entity {id: row.b}) DELETE l";
    /// Component types and containers.
    PUBLISH: "publishing",
        "CALL { UNWIND $components AS row MERGE (c:Component {id: row.id}) SET c += row } \
         CALL { UNWIND $containers AS row MERGE (c:Container {id: row.id}) SET c += row } \
         RETURN 1 AS done";
    /// What each batch ends with: changed properties, of which those that are null go; new sets of facets, commits, outcomes, what is
    /// announced, and how far the shard is.
    SEAL: "changing entities and writing the change sequence",
        "CALL { UNWIND $updates AS row MATCH (e:Entity {id: row.id}) SET e += row.properties } \
         CALL { UNWIND $facetSets AS row CREATE (f:FacetSet) SET f = row } \
         CALL { UNWIND $commits AS row CREATE (c:Commit) SET c = row } \
         CALL { UNWIND $operations AS row CREATE (o:Operation) SET o = row } \
         CALL { UNWIND $gates AS row MATCH (g:Gate {number: 0}) SET g += row } \
         CALL { UNWIND $shards AS row MATCH (s:Shard {number: 0}) SET s += row } \
         RETURN 1 AS done";
    /// The commits from one on may become visible any moment. Never takes back what was announced: a copy that comes late does nothing.
    ANNOUNCE: "announcing commits",
        "MATCH (g:Gate {number: 0}) SET g.lock = true WITH g WHERE g.begun < $begun \
         SET g.begun = $begun, g.ended = $begun, \
         g.complete = CASE WHEN g.complete < $complete THEN $complete ELSE g.complete END";
    /// All commits are visible as a whole, and none is under way: true while the shard is locked and has gone no farther.
    SETTLE: "telling that commits are complete",
        "MATCH (s:Shard {number: 0}) SET s.lock = true WITH s WHERE s.cursor = $cursor \
         MATCH (g:Gate {number: 0}) SET g.begun = $cursor, g.ended = $cursor, g.complete = $cursor";
    /// How much of the change sequence there is.
    LENGTH: "measuring the change sequence",
        "MATCH (s:Shard {number: 0}) MATCH (l:Log {number: 0}) \
         RETURN s.cursor AS cursor, s.logEnd AS end, s.idle AS idle, l.first AS first, l.start AS start, l.idle AS idleGone";
    /// Pages that are before the retention; the newest one stays.
    TRIM: "trimming the change sequence",
        "MATCH (l:Log {number: 0}) SET l.lock = true WITH l MATCH (s:Shard {number: 0}) WITH l, s.cursor AS newest \
         CALL (newest) { MATCH (c:Commit) WHERE c.cursor < newest WITH c ORDER BY c.cursor LIMIT $limit \
         WITH c WHERE c.cursor < $first OR c.end <= $end \
         WITH collect(c) AS gone, max(c.cursor) AS last, max(c.end) AS end \
         CALL (gone) { UNWIND gone AS c DELETE c } RETURN last, end } \
         SET l.first = coalesce(last + 1, l.first), l.start = coalesce(end, l.start) RETURN l.first AS first, l.start AS start";
    /// Outcomes of operations whose commits are before the retention.
    TRIM_OPERATIONS: "trimming outcomes of operations",
        "MATCH (l:Log {number: 0}) SET l.lock = true WITH l \
         CALL (l) { MATCH (o:Operation) WHERE o.cursor < l.first WITH o ORDER BY o.cursor LIMIT $limit \
         WITH collect(o) AS gone, count(o.idle) AS idle CALL (gone) { UNWIND gone AS o DELETE o } RETURN size(gone) AS count, idle } \
         SET l.idle = l.idle + idle RETURN count";
    /// The oldest outcomes of operations that changed nothing.
    TRIM_IDLE: "trimming outcomes of operations that changed nothing",
        "MATCH (l:Log {number: 0}) SET l.lock = true WITH l \
         CALL (l) { MATCH (o:Operation) WHERE o.idle >= 0 WITH o ORDER BY o.idle LIMIT $limit \
         WITH collect(o) AS gone CALL (gone) { UNWIND gone AS o DELETE o } RETURN size(gone) AS count } \
         SET l.idle = l.idle + count RETURN count";

    /// Entities by id.
    ENTITIES: "reading entities",
        framed!("UNWIND $ids AS id MATCH (e:Entity {id: id}) RETURN collect(e.record) AS answer");
    /// The way up.
    ANCESTORS: "reading ancestors",
        framed!("MATCH (e:Entity {id: $id})-[:IN*0..]->(a) RETURN collect(a.record) AS answer");
    /// A parent, and children by ordinal behind a row.
    CHILDREN: "reading children",
        framed!("OPTIONAL MATCH (p:Entity {id: $parent}) WITH p IS NOT NULL AS known \
            CALL { CALL { MATCH (e:Entity) WHERE e.parent = $parent AND e.ordinal = $ordinal AND e.rank > $rank \
            RETURN e.ordinal AS place, e.rank AS rank ORDER BY e.parent, e.ordinal, e.rank LIMIT $limit \
            UNION ALL MATCH (e:Entity) WHERE e.parent = $parent AND e.ordinal > $ordinal AND e.rank IS NOT NULL \
            RETURN e.ordinal AS place, e.rank AS rank ORDER BY e.parent, e.ordinal, e.rank LIMIT $limit } \
            WITH place, rank LIMIT $limit RETURN collect([place, rank]) AS rows } \
            RETURN [known, rows] AS answer");
    /// A parent, and children by name behind a row.
    CHILDREN_BY_NAME: "reading children by name",
        framed!("OPTIONAL MATCH (p:Entity {id: $parent}) WITH p IS NOT NULL AS known \
            CALL { CALL { MATCH (e:Entity) WHERE e.parent = $parent AND e.folded = $folded AND e.rank > $rank \
            RETURN e.folded AS place, e.rank AS rank ORDER BY e.parent, e.folded, e.rank LIMIT $limit \
            UNION ALL MATCH (e:Entity) WHERE e.parent = $parent AND e.folded > $folded AND e.rank IS NOT NULL \
            RETURN e.folded AS place, e.rank AS rank ORDER BY e.parent, e.folded, e.rank LIMIT $limit } \
            WITH place, rank LIMIT $limit RETURN collect([place, rank]) AS rows } \
            RETURN [known, rows] AS answer");
    /// Everything below.
    SUBTREE_ALL: "reading a subtree", subtree!("(r)<-[:IN*0..]-(d:Entity)");
    /// Up to nested roots.
    SUBTREE_AGGREGATE: "reading an aggregate",
        subtree!("(r) (()<-[:IN]-(n WHERE NOT n:Root)){0,} (d:Entity)");
    /// The inside of a zone.
    SUBTREE_ZONE: "reading the inside of a zone",
        subtree!("(r) (()<-[:IN]-(n WHERE NOT n:Zone)){0,} (m:Entity) \
            CALL (m) { RETURN m AS d UNION ALL MATCH (m)<-[:IN]-(d:Zone) RETURN d }");
    /// Pages of the children of several nodes, for walks.
    LEVEL: "reading a level of a subtree",
        framed!("UNWIND $nodes AS n CALL (n) { \
            MATCH (e:Entity) WHERE e.parent = n.id AND e.ordinal = n.ordinal AND e.rank > n.rank \
            RETURN e ORDER BY e.parent, e.ordinal, e.rank LIMIT $limit \
            UNION ALL MATCH (e:Entity) WHERE e.parent = n.id AND e.ordinal > n.ordinal AND e.rank IS NOT NULL \
            RETURN e ORDER BY e.parent, e.ordinal, e.rank LIMIT $limit } \
            RETURN collect([n.id, e.record, e.census]) AS answer");
    /// Censuses of nodes.
    CENSUS: "reading counts",
        framed!("OPTIONAL MATCH (e:Entity {id: $id}) RETURN [e IS NOT NULL, e.census] AS answer");
    /// The census of the world.
    WORLD_CENSUS: "reading counts of the world",
        framed!("MATCH (s:Shard {number: 0}) RETURN [true, s.census] AS answer");
    /// Below some nodes: children with one of some sets of facets, and children that have something below.
    SEARCH: "searching below some nodes",
        framed!("CALL { UNWIND $direct AS d CALL (d) { UNWIND d.sets AS set CALL (d, set) { \
            MATCH (e:Entity) USING INDEX e:Entity(parent, facets, rank) \
            WHERE e.parent = d.parent AND e.facets = set AND e.rank > d.rank \
            RETURN e.rank AS rank ORDER BY e.parent, e.facets, e.rank LIMIT $limit } \
            RETURN rank ORDER BY rank LIMIT $limit } WITH d, rank ORDER BY d.place, rank RETURN collect([d.place, rank]) AS direct } \
            CALL { UNWIND $inner AS i CALL (i) { MATCH (e:Inner) USING INDEX e:Inner(parent, rank) \
            WHERE e.parent = i.parent AND e.rank >= i.rank \
            RETURN e.rank AS rank, e.census AS census ORDER BY e.parent, e.rank LIMIT $together } \
            WITH i, rank, census ORDER BY i.place, rank RETURN collect([i.place, rank, census]) AS inner } RETURN [direct, inner] AS answer");
    /// What an owner has.
    OWNED: "reading what an owner has",
        framed!("MATCH (e:Entity) WHERE e.owner = $owner AND e.rank > $rank \
            WITH e ORDER BY e.owner, e.rank LIMIT $limit RETURN collect(['', e.rank]) AS answer");
    /// Names that begin with a text.
    NAMED: "searching names",
        framed!("CALL { MATCH (e:Entity) WHERE e.folded = $folded AND e.rank > $rank \
            RETURN e.folded AS place, e.rank AS rank ORDER BY e.folded, e.rank LIMIT $limit \
            UNION ALL MATCH (e:Entity) WHERE e.folded > $folded AND e.folded STARTS WITH $prefix AND e.rank IS NOT NULL \
            RETURN e.folded AS place, e.rank AS rank ORDER BY e.folded, e.rank LIMIT $limit } \
            WITH place, rank LIMIT $limit RETURN collect([place, rank]) AS answer");
    /// Entities by id, from one on, up to so many rows and about so many bytes; and whether there are more.
    RECORDS: "listing entities",
        framed!("MATCH (e:Entity) WHERE e.rank > $rank WITH e ORDER BY e.rank LIMIT $limit \
            WITH collect(e) AS found, collect(size(e.record)) AS sizes \
            WITH found, reduce(page = [0, 0], size IN sizes | \
            CASE WHEN page[1] < $bytes THEN [page[0] + 1, page[1] + size] ELSE page END)[0] AS rows \
            RETURN [size(found) > rows, [e IN found[..rows] | [e.rank, e.record]]] AS answer");
    /// Buried ids, from one on.
    TOMBS: "listing buried ids",
        framed!("MATCH (b:Buried) WHERE b.rank > $rank WITH b ORDER BY b.rank LIMIT $limit \
            RETURN collect(b.rank) AS answer");
    /// Links by lower end, kind and higher end, from one on.
    ALL_LINKS: "listing links",
        framed!("CALL { MATCH ()-[l:LINKED]->(b) WHERE l.low = $low AND (l.kind > $kind OR l.kind = $kind AND b.rank > $high) \
            RETURN l, b.rank AS high ORDER BY l.low, l.kind, high LIMIT $limit \
            UNION ALL MATCH ()-[l:LINKED]->(b) WHERE l.low > $low \
            RETURN l, b.rank AS high ORDER BY l.low, l.kind, high LIMIT $limit } \
            WITH l, high ORDER BY l.low, l.kind, high LIMIT $limit \
            RETURN collect(", link_row!(), ") AS answer");
    /// An entity, and links with an end at it behind one.
    LINKS: "reading links",
        framed!("OPTIONAL MATCH (e:Entity {id: $id}) \
            CALL (e) { MATCH (e)-[l:LINKED]-(o) WHERE l.kind > $kind OR l.kind = $kind AND o.rank > $rank \
            WITH l, o.rank AS other ORDER BY l.kind, other LIMIT $limit RETURN collect(", link_row!(), ") AS rows } \
            RETURN [e IS NOT NULL, rows] AS answer");
    /// A zone, and links with an end in it behind one.
    ZONE_LINKS: "reading the links of a zone",
        framed!("OPTIONAL MATCH (z:Entity {id: $zone}) CALL { \
            CALL { MATCH ()-[l:LINKED {from: $zone}]->(b) \
            WHERE l.kind > $kind OR l.kind = $kind AND (l.low > $low OR l.low = $low AND b.rank > $high) \
            RETURN l, b.rank AS high ORDER BY l.kind, l.low, high LIMIT $limit \
            UNION MATCH ()-[l:LINKED {to: $zone}]->(b) \
            WHERE l.kind > $kind OR l.kind = $kind AND (l.low > $low OR l.low = $low AND b.rank > $high) \
            RETURN l, b.rank AS high ORDER BY l.kind, l.low, high LIMIT $limit } \
            WITH l, high ORDER BY l.kind, l.low, high LIMIT $limit RETURN collect(", link_row!(), ") AS rows } \
            RETURN [z IS NOT NULL, coalesce(z:Zone, false), rows] AS answer");
    /// Links of a kind with an end in one of some zones, in no order.
    PASSAGES: "reading the links around a route",
        framed!("CALL { UNWIND $zones AS zone MATCH ()-[l:LINKED {from: zone}]->() WHERE l.kind = $kind RETURN l \
            UNION UNWIND $zones AS zone MATCH ()-[l:LINKED {to: zone}]->() WHERE l.kind = $kind RETURN l } \
            WITH l LIMIT $limit RETURN collect(", link_row!(), ") AS answer");
    /// The zones around a zone, with the first rows of what stands in each.
    AROUND: "reading what is around a point",
        framed!("MATCH (z:Entity {id: $zone})-[:IN*0..]->(a) \
            CALL (a) { WITH a WHERE a:Zone MATCH (e:Entity) WHERE e.zone = a.id AND e.cell >= $layer AND e.cell < $above AND e.rank IS NOT NULL \
            WITH e ORDER BY e.zone, e.cell, e.rank LIMIT $limit RETURN collect([e.cell, e.rank, e.x, e.y, e.z, e.radius]) AS placed } \
            CALL (a) { WITH a WHERE a:Zone MATCH (h:Zone) WHERE h.hostZone = a.id AND h.hostCell >= '' AND h.rank IS NOT NULL \
            WITH h ORDER BY h.hostZone, h.hostCell, h.rank LIMIT $limit \
            RETURN collect([h.hostCell, h.rank, h.seat, h.reach, h.bounds]) AS hosts } \
            RETURN collect([a.record, placed, hosts]) AS answer");
    /// Rows of what stands in a zone from a row on.
    PLACED: "reading what stands in a zone",
        framed!("CALL { MATCH (e:Entity) WHERE e.zone = $zone AND e.cell = $cell AND e.rank >= $rank \
            RETURN e ORDER BY e.zone, e.cell, e.rank LIMIT $limit \
            UNION ALL MATCH (e:Entity) WHERE e.zone = $zone AND e.cell > $cell AND e.cell < $to AND e.rank IS NOT NULL \
            RETURN e ORDER BY e.zone, e.cell, e.rank LIMIT $limit } \
            WITH e LIMIT $limit RETURN collect([e.cell, e.rank, e.x, e.y, e.z, e.radius]) AS answer");
    /// Rows of the zones in a zone from a row on.
    HOSTS: "reading the zones in a zone",
        framed!("CALL { MATCH (h:Zone) WHERE h.hostZone = $zone AND h.hostCell = $cell AND h.rank >= $rank \
            RETURN h ORDER BY h.hostZone, h.hostCell, h.rank LIMIT $limit \
            UNION ALL MATCH (h:Zone) WHERE h.hostZone = $zone AND h.hostCell > $cell AND h.rank IS NOT NULL \
            RETURN h ORDER BY h.hostZone, h.hostCell, h.rank LIMIT $limit } \
            WITH h LIMIT $limit RETURN collect([h.hostCell, h.rank, h.seat, h.reach, h.bounds]) AS answer");
}
