// @neo4j/graphql behind Apollo's standalone server, set up as its documentation does. PORT and BOLT come from the environment.

import { readFileSync } from 'node:fs';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { Neo4jGraphQL } from '@neo4j/graphql';
import neo4j from 'neo4j-driver';

const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8');
const driver = neo4j.driver(process.env.BOLT);
const schema = await new Neo4jGraphQL({ typeDefs, driver }).getSchema();
const { url } = await startStandaloneServer(new ApolloServer({ schema }), {
  listen: { host: '127.0.0.1', port: Number(process.env.PORT) },
  context: async () => ({ sessionConfig: { database: 'neo4j' } }),
});
console.log(`listening at ${url}`);
