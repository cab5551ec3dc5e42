// The figures as a table in Markdown.

// What is asked of the ratios to the peer's throughput; without a cache no question may be slower.
const TARGETS = {
  'entity by id': { cold: 1, warm: 20 },
  'subtree of 60': { cold: 3, warm: 30 },
};
const NO_SLOWER = { cold: 1 };

export function table({ entities, systems, rounds, seconds, connections, machine, results }) {
  const lines = [
    `${entities} entities in ${systems} systems; ${connections} connections, ${seconds} s, ` +
      `median of ${rounds}; ${machine.cores} cores (${machine.processor}) shared by Neo4j, server and load generator, ` +
      `load ${machine.load.toFixed(1)} at the end.`,
    '',
    '| question | ours, no cache, requests/s (p50, p99 ms) | ours, cached | `@neo4j/graphql` | no cache : peer | cached : peer | target |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const { question, cold, warm, peer } of results) {
    const target = TARGETS[question] ?? NO_SLOWER;
    const ratios = { cold: cold.perSecond / peer.perSecond, warm: warm.perSecond / peer.perSecond };
    const cells = Object.entries(target).map(([side, least]) => {
      const missed = ratios[side] < least ? ', **missed**' : '';
      return `${side === 'cold' ? 'no cache' : 'cached'} at least ${least}${missed}`;
    });
    lines.push(
      `| ${question} | ${cell(cold)} | ${cell(warm)} | ${cell(peer)} | ${ratios.cold.toFixed(2)} | ${ratios.warm.toFixed(1)} | ${cells.join('; ')} |`,
    );
  }
  return lines.join('\n');
}

const cell = ({ perSecond, p50_ms, p99_ms }) => `${number(perSecond)} (${p50_ms.toFixed(1)}, ${p99_ms.toFixed(1)})`;
const number = (value) => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en'));
