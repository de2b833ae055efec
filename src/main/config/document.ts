import { CLIENT_VARIABLES, type OtherVariable, SETTINGS, TEST_VARIABLES } from './settings.ts';

/** docs/reference/config.md, from the table. A test compares, and says so when it has to be written again. */
export function configDocument(): string {
  return `# Configuration

Generated from \`src/main/config/settings.ts\`; change it there.

Each setting of \`arc up\` can be given as an option, as a variable, or in a file. An option wins over a variable, a
variable over the file, the file over the default. What is not known is refused, and all faults are told at once.

The file is YAML or JSON: the one named by \`--config\`, else \`config.yaml\` in the data folder where there is one. A
dotted key is nested:

\`\`\`yaml
domain: sandbox.example.org
startsAtOnce: 16
network:
  range: 10.42.0.0/16
\`\`\`

| option | variable | key in the file | default | what it does |
| --- | --- | --- | --- | --- |
${Object.values(SETTINGS)
  .map((row) => {
    const option = row.placeholder === undefined ? row.flag : `${row.flag} ${row.placeholder}`;
    const key = row.fileKey === undefined ? 'none' : `\`${row.fileKey}\``;
    return `| \`${option}\` | \`${row.variable}\` | ${key} | ${row.shown} | ${row.doc} |`;
  })
  .join('\n')}

A switch is turned on by its bare option (\`--json\`) and off with \`=false\` (\`--setup=false\`). Lists are parted by
commas in options and variables. Relative paths are beneath the working folder, or beneath the file's own folder.

## Variables of the client commands

${variables(CLIENT_VARIABLES)}

## Variables of the tests

${variables(TEST_VARIABLES)}
`;
}

function variables(list: readonly OtherVariable[]): string {
  return `| variable | what it does |\n| --- | --- |\n${list.map(({ name, doc }) => `| \`${name}\` | ${doc} |`).join('\n')}`;
}
