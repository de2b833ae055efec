import { COMMON_OPTIONS } from '../args.ts';
import { type Command, isGroup, isHost, type Leaf, type Table, UsageError } from '../command.ts';
import { bash, fish, type Words, zsh } from '../completion-scripts.ts';

const SCRIPTS = { bash, zsh, fish } as const;

export const command: Command = {
  usage: ['completion bash|zsh|fish'],
  about: `Prints a completion script. bash: put "source <(arc completion bash)" into ~/.bashrc. zsh: the same into ~/.zshrc, after compinit.
fish: arc completion fish > ~/.config/fish/completions/arc.fish`,
  options: {},
  positionals: { min: 1, max: 1, kinds: ['word'] },
  async run({ args, out, table }) {
    const shell = args.positionals[0] ?? '';
    if (!Object.hasOwn(SCRIPTS, shell))
      throw new UsageError(`there is no completion for "${shell}"`, 'There is for bash, zsh and fish.');
    await out.write(SCRIPTS[shell as keyof typeof SCRIPTS](await collect(table)));
    return 0;
  },
};

/** The whole command line as words, from the table of commands and their own options. */
async function collect(table: Table): Promise<Words[]> {
  const words: Words[] = [];
  for (const [name, entry] of Object.entries(table)) {
    if (isGroup(entry)) {
      const subs = Object.entries(entry.commands);
      words.push({
        path: [name],
        summary: entry.summary,
        commands: subs.map(([sub, { summary }]) => ({ name: sub, summary })),
        options: [],
        kinds: [],
      });
      for (const [sub, leaf] of subs) words.push(await leafWords([name, sub], leaf));
    } else if (isHost(entry))
      words.push({ path: [name], summary: entry.summary, commands: [], options: [], kinds: [] });
    else words.push(await leafWords([name], entry));
  }
  return words;
}

async function leafWords(path: string[], leaf: Leaf): Promise<Words> {
  const { command: loaded } = await leaf.load();
  const options = Object.entries({ ...loaded.options, ...COMMON_OPTIONS }).map(([name, spec]) => ({ name, spec }));
  return { path, summary: leaf.summary, commands: [], options, kinds: loaded.positionals.kinds };
}
