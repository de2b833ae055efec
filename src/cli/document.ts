import { type Entry, isGroup, isHost, type Leaf, type Table } from './command.ts';
import { commandHelp } from './help.ts';

/** `docs/reference/cli.md`, from the table of commands and their own help. */
export async function cliDocument(table: Table): Promise<string> {
  const parts = [HEAD];
  for (const [name, entry] of Object.entries(table)) parts.push(await section(name, entry));
  return `${parts.join('\n')}`;
}

async function section(name: string, entry: Entry): Promise<string> {
  if (isHost(entry)) return `## arc ${name}\n\n${capital(entry.summary)}. \`arc ${name} --help\` has its options.\n`;
  if (!isGroup(entry)) return leafSection(name, entry);
  const subs: string[] = [];
  for (const [sub, leaf] of Object.entries(entry.commands)) subs.push(await leafSection(`${name} ${sub}`, leaf));
  return subs.join('\n');
}

async function leafSection(name: string, leaf: Leaf): Promise<string> {
  return `## arc ${name}\n\n\`\`\`text\n${commandHelp((await leaf.load()).command)}\`\`\`\n`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const HEAD = `# The command line

Generated from \`src/cli/table.ts\` and the commands beside it; change it there.

Every command takes \`--json\`: one document, or one a line where there is a stream (\`logs\`, \`events\`). Otherwise it prints for
people: aligned tables without colours, in which control characters that came from a sandbox or a template are replaced by
a mark. \`run\` and \`exec\` pass a program's bytes on as they are; \`logs\` does so to a file or a pipe, and lets only colours
through to a terminal.

## Finding the server

The first of these that is there:

1. \`--data-dir DIR\`: the server's data folder, which has its address (\`server.json\`) and the admin key (\`admin.key\`).
2. \`ARC_URL\` and \`ARC_API_KEY\`. A key is never an option: other users can see a command line.
3. \`ARC_DATA_DIR\`, with \`ARC_API_KEY\` instead of the admin key where it is set.
4. \`client.json\` in \`$XDG_CONFIG_HOME/arc\` or \`~/.config/arc\`: \`{"url", "apiKey" or "apiKeyFile"}\`, or \`{"dataDir"}\`.
   Other keys are refused.
5. The default data folder: \`/var/lib/arc\` for root, \`~/.arc\` for others.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | the server refused, or something failed; the message says what |
| 2 | the command line itself is wrong |
| 69 | no server answers, or it is starting or stopping |
| 124 | \`run\`, \`exec\`: the program was stopped by \`--timeout\` |
| 125 | \`run\`, \`exec\`: Arc failed, not the program |
| 127 | \`run\`, \`exec\`: there is no such program in the sandbox |
| 128 + n | \`run\`, \`exec\`: signal n ended the program, or interrupted the command itself |
| 141 | whoever read the output went away |

Any other code of \`run\` and \`exec\` is the program's own. An error is one line that says what happened, with its code, and one
that says what to do; with \`--json\` it is \`{"error": …}\`, a problem document, among the errors.

## Programs

Words after \`--\` are the program and its arguments. Without \`--\` the program of \`run\` and \`exec\` begins after the template or
the id, and its options are its own: \`arc exec ID ls -la\`.

\`run\` keeps its sandbox on a lease of two minutes that it renews, so the sandbox goes by itself even when the client is killed
with no time to remove it. Ctrl-C goes to the program; a second one kills it.

A terminal (\`-it\`) is put into raw mode and given back however the command ends; what a full-screen program has set is set
back. When the server is lost or the terminal is hung up the program goes on, and \`arc exec -it --join EXEC ID\` follows it again.
`;
