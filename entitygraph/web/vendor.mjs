// Called by vendor.sh: node vendor.mjs NODE_MODULES OUT
//
// Copies the prebuilt files of the playground out of NODE_MODULES into OUT/<name>-<version>/, each beside its
// licence, collects the licences of what graphiql has bundled, and writes OUT/VENDOR.md.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [modules, out] = process.argv.slice(2);

// Prebuilt browser (UMD) files; graphiql 5 and React 19 have none, they want a bundler.
const WANTED = {
  graphiql: ['graphiql.min.js', 'graphiql.min.css'],
  'graphql-ws': ['umd/graphql-ws.min.js'],
  react: ['umd/react.production.min.js'],
  'react-dom': ['umd/react-dom.production.min.js'],
};
// Fonts that graphiql.min.css carries as data, named by the packages that hold their licence.
const FONTS = ['@fontsource/roboto', '@fontsource/fira-code'];

const manifest = (name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
const licenceFile = (name) =>
  readdirSync(join(modules, name)).find((file) => /^(licen[cs]e|copying)(\.\w+)?$/i.test(file));

// The packages inside graphiql.min.js, read from its source map.
function bundledInGraphiql() {
  const { sources } = JSON.parse(readFileSync(join(modules, 'graphiql/graphiql.min.js.map'), 'utf8'));
  const names = new Set(['@graphiql/react', '@graphiql/toolkit', 'graphql-language-service']);
  for (const source of sources) {
    const name = source.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
    if (name && !(name in WANTED)) names.add(name);
  }
  return [...names].sort();
}

const rows = [];
for (const [name, files] of Object.entries(WANTED)) {
  const { version, license } = manifest(name);
  const folder = `${name}-${version}`;
  mkdirSync(join(out, folder), { recursive: true });
  for (const file of [...files, licenceFile(name)]) {
    const bytes = readFileSync(join(modules, name, file));
    writeFileSync(join(out, folder, basename(file)), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    rows.push(`| \`${folder}/${basename(file)}\` | ${name} | ${version} | ${license} | \`${sha256}\` |`);
  }
}

const graphiqlFolder = `graphiql-${manifest('graphiql').version}`;
const bundled = [];
let licences = `Licences of the packages inside graphiql.min.js and of the fonts inside graphiql.min.css.\n`;
for (const name of [...bundledInGraphiql(), ...FONTS]) {
  if (!existsSync(join(modules, name))) throw new Error(`${name} is bundled in graphiql but not installed: add it`);
  const { license } = manifest(name);
  const file = licenceFile(name);
  const text = file ? readFileSync(join(modules, name, file), 'utf8').trim() : `(no licence file in the package)`;
  bundled.push(`${name} (${license})`);
  licences += `\n${'='.repeat(80)}\n${name}: ${license}\n${'='.repeat(80)}\n${text}\n`;
}
writeFileSync(join(out, graphiqlFolder, 'BUNDLED-LICENCES.txt'), licences.replaceAll('\r\n', '\n'));

writeFileSync(
  join(out, 'VENDOR.md'),
  `# Third-party files of the web pages

Written by \`vendor.sh --update\`; do not edit. The pages load nothing from outside, so these files are kept here,
byte for byte as npm serves them. \`./vendor.sh\` fetches them again and compares.

| file | npm package | version | licence | sha256 |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

\`graphiql.min.js\` and \`graphiql.min.css\` contain other packages and two fonts; their licence texts are in
\`${graphiqlFolder}/BUNDLED-LICENCES.txt\`: ${bundled.join(', ')}.
`,
);
