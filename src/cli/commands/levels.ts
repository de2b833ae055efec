import type { LevelView } from '../../contract/schemas/levels.ts';
import { roughSize } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textFields, textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['levels'],
  about: `Shows the levels of isolation, weakest first: what each protects from and what it does not, whether this server's machines
give it, and what would bring those that they do not.`,
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, json, connect }) {
    const client = await connect();
    const levels = await client.levels();
    if (json) {
      await out.json(levels);
      return 0;
    }
    const rows = levels.map(({ level, available, runtime, cost }) => [
      level,
      available ? 'yes' : 'no',
      available ? (runtime ?? '') : '',
      cost ? `${cost.startMs} ms` : '',
      cost ? roughSize(cost.memoryBytes) : '',
    ]);
    await out.write(textTable(['LEVEL', 'HERE', 'RUNTIME', 'START', 'MEMORY'], rows));
    for (const one of levels) await out.write(`\n${one.level}\n${textFields(fieldsOf(one))}`);
    return 0;
  },
};

function fieldsOf(one: LevelView): [string, string | undefined][] {
  return [
    ['  protects', one.protects],
    ['  but', one.exposes],
    [one.available ? '  here' : '  not here', one.note],
    ['  verified', one.verified && verdict(one.verified)],
    ['  get it', one.how],
    ['  lacks', one.lacks.length === 0 ? undefined : one.lacks.join('; ')],
  ];
}

function verdict({ at, passed, findings }: NonNullable<LevelView['verified']>): string {
  return passed ? `${at}: an adversary found nothing` : `${at}: ${findings} checks failed; see \`arc verify\``;
}
