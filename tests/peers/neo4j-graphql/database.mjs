// What the comparison does in the database itself: the peer's own property and index, and which places are asked about.

/** A database behind Neo4j's HTTP interface. */
export class Database {
  constructor(url) {
    this.url = url;
  }

  /** The rows of a statement. */
  async run(statement, parameters = {}, endpoint = 'tx/commit') {
    const response = await fetch(`${this.url}/db/neo4j/${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ statements: [{ statement, parameters }] }),
    });
    const { results, errors } = await response.json();
    if (errors.length) throw new Error(`${statement}: ${errors[0].message}`);
    return results[0].data.map(({ row }) => row);
  }

  /**
   * Writes each place from the root on beside ours, and the index that serves it. Frames are not turned in this world, so a
   * place is a sum.
   */
  async prepareForPeer() {
    await this.run(
      'MATCH (e:Entity) CALL (e) { MATCH (e)-[:IN*0..]->(a:Entity) WHERE (a = e OR a:Zone) AND a.x IS NOT NULL ' +
        'WITH sum(a.x) AS x, sum(a.y) AS y, sum(a.z) AS z SET e.position = point({x: x, y: y, z: z}) } IN TRANSACTIONS OF 10000 ROWS',
    );
    await this.run('CREATE POINT INDEX peer_position IF NOT EXISTS FOR (e:Entity) ON (e.position)');
    await this.run('CALL db.awaitIndexes(300)');
    // As the server does by itself some minutes later.
    await this.run('CALL db.prepareForReplanning()');
  }

  async entities() {
    return (await this.run('MATCH (e:Entity) RETURN count(e)'))[0][0];
  }

  /** Places to ask about. The last system is written to, and asked nothing. */
  async places(systems) {
    const of = async (kind, below, limit) =>
      (
        await this.run(
          `MATCH (e:${kind})-[:IN]->(p:Entity) WHERE EXISTS { (e)-[:IN*0..]->(s:system WHERE ${below}) } WITH e, p ORDER BY rand() LIMIT ${limit} ` +
            'RETURN toString(e.id), toString(p.id), [e.x, e.y, e.z], [e.position.x, e.position.y, e.position.z]',
        )
      ).map(([signed, parent, local, position]) => ({ signed, parent, local, position }));
    const last = `s.name = "System ${systems - 1}"`;
    const read = `s.name <> "System ${systems - 1}"`;
    const [template] = await this.template();
    const docks = await of('station', last, 2);
    return {
      systems: await of('system', read, 100),
      stations: await of('station', read, 200),
      ships: await of('ship', read, 1000),
      things: await of('tool', read, 1000),
      written: await of('crate', last, 1000),
      docks: docks.map((dock) => ({ ...dock, template })),
    };
  }

  /** A freighter as a tree. */
  async template() {
    const rows = await this.run(
      'MATCH (s:ship)-[:INSTANCE_OF]->({name: "ship/freighter"}) WITH s LIMIT 1 MATCH (s)<-[:IN*0..]-(e) MATCH (e)-[:IN]->(p) ' +
        'RETURN toString(e.id), toString(p.id), toString(s.id), e.name, e.kind, e.x, e.y, e.z',
    );
    const tree = (id) =>
      rows.filter(([own]) => own === id).map(([, , , name, kind, x, y, z]) => ({
        name, kind, x, y, z,
        children: rows.filter(([, parent]) => parent === id).flatMap(([own]) => tree(own)),
      }));
    return tree(rows[0][2]);
  }
}
