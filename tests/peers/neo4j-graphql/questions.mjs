// The questions of the comparison. Each asks both servers for the same, in the way that is the fastest of those that the server
// offers, and says how to compare the answers.
//
// `places` of the world are what is asked about: see database.mjs. A `@` in a body is replaced by a number of its own (load.lua).

import { SHIP_ENTITIES } from './world.mjs';

const OURS = 'id name kind pose { position }';
const PEER = 'id name kind x y z';
// A client that draws a tree must know who is in whom: the flat list says so by the parent.
const OURS_NODE = `${OURS} parent { id }`;

const entities = (query) => `query ($id: BigInt!) { entities(where: { id: { eq: $id } }) { ${query} } }`;
// What an entity of either side comes down to; ids from 2^63 on are negative in Cypher.
const row = ({ id, name, kind }) => `${BigInt.asUintN(64, BigInt(id))} ${kind} ${name}`;
const isPoint = ({ kind }) => !['ship', 'station', 'planet', 'system', 'universe'].includes(kind);
const sorted = (list) => list.map(row).sort();

export const QUESTIONS = [
  {
    name: 'entity by id',
    places: 'things',
    ours: ({ id }) => ({ query: `query ($id: EntityId!) { entity(id: $id) { ${OURS} } }`, variables: { id } }),
    peer: ({ id }) => ({ query: entities(PEER), variables: { id } }),
    oursRows: ({ entity }) => [`${row(entity)} ${entity.pose.position}`],
    peerRows: ({ entities: [entity] }) => [`${row(entity)} ${[entity.x, entity.y, entity.z]}`],
    rows: 1,
  },
  {
    name: 'page of 50 children by name',
    places: 'stations',
    ours: ({ id }) => ({
      query: `query ($id: EntityId!) { entity(id: $id) { children(order: NAME, first: 50) { nodes { ${OURS} } } } }`,
      variables: { id },
    }),
    peer: ({ id }) => ({ query: entities(`children(limit: 50, sort: [{ name: ASC }]) { ${PEER} }`), variables: { id } }),
    // In order.
    oursRows: ({ entity }) => entity.children.nodes.map(row),
    peerRows: (data) => data.entities[0].children.map(row),
    rows: 50,
  },
  {
    name: 'subtree of 60',
    places: 'ships',
    ours: ({ id }) => ({ query: `query ($id: EntityId!) { subtree(id: $id) { nodes { ${OURS_NODE} } } }`, variables: { id } }),
    peer: ({ id }) => ({
      query: entities(`${PEER} children { ${PEER} children { ${PEER} children { ${PEER} } } }`),
      variables: { id },
    }),
    oursRows: ({ subtree }) => sorted(subtree.nodes),
    peerRows: (data) => sorted(flat(data.entities)),
    rows: SHIP_ENTITIES,
  },
  {
    name: 'ancestors',
    places: 'things',
    ours: ({ id }) => ({ query: `query ($id: EntityId!) { entity(id: $id) { ancestors { ${OURS} } } }`, variables: { id } }),
    peer: ({ id }) => ({ query: entities(`ancestors { ${PEER} }`), variables: { id } }),
    oursRows: ({ entity }) => sorted(entity.ancestors),
    peerRows: (data) => sorted(data.entities[0].ancestors),
    rows: 7,
  },
  {
    name: 'items of a kind under a system',
    places: 'systems',
    ours: ({ id }) => ({
      query: `query ($id: EntityId!) { find(below: $id, kinds: ["reactor"], first: 100) { nodes { ${OURS} } } }`,
      variables: { id },
    }),
    peer: ({ id }) => ({ query: entities(`below(kind: "reactor", first: 100) { ${PEER} }`), variables: { id } }),
    oursRows: ({ find }) => sorted(find.nodes),
    peerRows: (data) => sorted(data.entities[0].below),
    rows: 52,
  },
  {
    name: 'count by kind under a system',
    places: 'systems',
    ours: ({ id }) => ({
      query: 'query ($id: EntityId!) { counts(below: $id) { kinds(first: 20) { nodes { name count } } } }',
      variables: { id },
    }),
    peer: ({ id }) => ({ query: entities('kinds { name count }'), variables: { id } }),
    oursRows: ({ counts }) => counts.kinds.nodes.map(({ name, count }) => `${name} ${count}`).sort(),
    peerRows: (data) => data.entities[0].kinds.map(({ name, count }) => `${name} ${count}`).sort(),
    rows: 10,
  },
  {
    name: 'near a point',
    places: 'ships',
    ours: ({ station, local }) => ({
      query:
        'query ($zone: EntityId!, $point: Vector!) { near(zone: $zone, at: { point: $point, radius: 60 }, first: 100) ' +
        `{ nodes { distance entity { ${OURS} } } } }`,
      variables: { zone: station, point: local },
    }),
    peer: ({ position: [x, y, z] }) => ({
      query:
        'query ($from: CartesianPointInput!) { entities(where: { position: { distance: { from: $from, lte: 60 } } }) ' +
        '{ id name kind position { x y z } } }',
      variables: { from: { x, y, z } },
    }),
    // EntityGraph's distance ends at an entity's surface, so zones around the point are near too; the peer knows no radius.
    oursRows: ({ near }) => sorted(near.nodes.map(({ entity }) => entity).filter(isPoint)),
    peerRows: (data) => sorted(data.entities.filter(isPoint)),
    rows: SHIP_ENTITIES - 1,
  },
  {
    name: 'move one entity',
    places: 'written',
    ours: ({ id }) => ({
      query:
        'mutation ($id: EntityId!, $position: Vector!) { moveEntity(input: { entity: $id, pose: { position: $position } }) ' +
        '{ __typename ... on Committed { entity { id } } ... on Refusal { message } } }',
      variables: { id, position: ['0.@', 1, 0.5] },
    }),
    // The same place in both frames, as whoever keeps it twice has to write it.
    peer: ({ id, position: [x, y, z] }) => ({
      query:
        'mutation ($id: BigInt!, $x: Float!, $position: CartesianPointInput!) { updateEntities(where: { id: { eq: $id } }, ' +
        'update: { x: { set: $x }, y: { set: 1 }, z: { set: 0.5 }, position: { set: $position } }) { entities { id } } }',
      variables: { id, x: '0.@', position: { x, y, z } },
    }),
    oursRows: ({ moveEntity }) => [BigInt.asIntN(64, BigInt(moveEntity.entity.id))],
    peerRows: (data) => [BigInt(data.updateEntities.entities[0].id)],
    rows: 1,
    writes: true,
  },
  {
    name: 'create 60 from a template',
    places: 'docks',
    ours: ({ id }) => ({
      query:
        'mutation ($id: EntityId!) { instantiate(input: { container: "ship/freighter", name: "new", parent: $id, ' +
        'pose: { position: [0, 0, 0] } }) { __typename ... on Committed { entity { counts { total } } } ... on Refusal { message } } }',
      variables: { id },
    }),
    // It has no templates: who calls it sends what is to be made, with ids.
    peer: ({ id, template }) => ({
      query: 'mutation ($input: [EntityCreateInput!]!) { createEntities(input: $input) { info { nodesCreated } } }',
      variables: { input: [{ ...copy(template), parent: { connect: [{ where: { node: { id: { eq: id } } } }] } }] },
    }),
    oursRows: ({ instantiate }) => [Number(instantiate.entity.counts.total) + 1],
    peerRows: (data) => [data.createEntities.info.nodesCreated],
    rows: 1,
    writes: true,
  },
];

const flat = (nodes) => nodes.flatMap((node) => [node, ...flat(node.children ?? [])]);

/** A tree of the peer's as input for a new one. */
function copy({ name, kind, x, y, z, children }) {
  const nodes = (children ?? []).map((child) => ({ node: copy(child) }));
  const input = { id: '9@', name, kind, x, y, z, position: { x, y, z } };
  return nodes.length ? { ...input, children: { create: nodes } } : input;
}

/** The body of a request, where `"0.@"` stands for a number. */
export const body = (request) => JSON.stringify(request).replaceAll('"0.@"', '0.@');
