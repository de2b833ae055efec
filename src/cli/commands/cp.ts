import { type Command, UsageError } from '../command.ts';
import { Copier } from '../copier.ts';

export const command: Command = {
  usage: ['cp FILE|DIR ID:/PATH', 'cp ID:/PATH FILE|DIR', 'cp - ID:/PATH', 'cp ID:/PATH -'],
  about: `Copies a file or a folder into a sandbox or out of it. A folder that is there already, or a name that ends with /, is copied
into; DIR/. means what is in DIR. - is our input or output: the content of a file, or the tar of a folder.`,
  options: {},
  positionals: { min: 2, max: 2, kinds: ['file', 'file'] },
  async run(call) {
    const [source = '', target = ''] = call.args.positionals;
    const from = parsePlace(source);
    const to = parsePlace(target);
    if (from.sandbox !== undefined && to.sandbox !== undefined) {
      throw new UsageError('one side must be here, not in a sandbox', 'Copy it here first, then on.');
    }
    const client = await call.connect();
    const copier = new Copier(call);
    let bytes: number;
    if (to.sandbox !== undefined) bytes = await copier.up(from.path, client.sandboxes.handle(to.sandbox), to.path);
    else if (from.sandbox !== undefined)
      bytes = await copier.down(client.sandboxes.handle(from.sandbox), from.path, to.path);
    else throw new UsageError('one side must be in a sandbox', `Write it as ID:/path.`);
    if (call.json && to.path !== '-') await call.out.json({ from: source, to: target, bytes });
    return 0;
  },
};

interface Place {
  readonly sandbox?: string;
  readonly path: string;
}

export function parsePlace(text: string): Place {
  const match = /^(sb-[a-z2-7]+):(.*)$/s.exec(text);
  if (!match) {
    if (text === '') throw new UsageError('a path is empty');
    return { path: text };
  }
  const [, sandbox = '', path = ''] = match;
  if (!path.startsWith('/')) throw new UsageError(`the path in a sandbox begins with /: ${sandbox}:/${path}`);
  return { sandbox, path };
}
