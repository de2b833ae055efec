import { type Command, isGroup, isHost, UsageError } from '../command.ts';
import { commandHelp, groupHelp, overview } from '../help.ts';
import { suggestion } from '../suggest.ts';

export const command: Command = {
  usage: ['help [COMMAND]'],
  about: 'Prints help.',
  options: {},
  positionals: { min: 0, max: 2, kinds: ['word'] },
  async run({ args, env, out, table }) {
    const [name, sub] = args.positionals;
    if (name === undefined) {
      await out.write(overview(table, true));
      return 0;
    }
    const entry = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!entry) throw new UsageError(`unknown command "${name}"`, suggestion(name, Object.keys(table)));
    if (isHost(entry)) return env[entry.host]?.(['--help']) ?? 2;
    if (isGroup(entry) && sub === undefined) {
      await out.write(groupHelp(name, entry));
      return 0;
    }
    const leaf = isGroup(entry) ? entry.commands[sub ?? ''] : entry;
    if (!leaf) throw new UsageError(`unknown command "${name} ${sub}"`);
    await out.write(commandHelp((await leaf.load()).command));
    return 0;
  },
};
