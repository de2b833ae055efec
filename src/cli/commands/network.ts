import type { NetworkView } from '../../contract/schemas/network.ts';
import type { Sandbox } from '../../contract/schemas/sandbox.ts';
import { clean } from '../clean.ts';
import { type Command, UsageError } from '../command.ts';
import { networkOf, networkText } from '../network-text.ts';
import { textFields, textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['network ID', 'network ID none|public', 'network ID NAME|NETWORK… [--ports PORTS]'],
  about:
    'Shows what a sandbox may connect to and what it was refused, or changes it while it runs. ' +
    'Names may begin with `*.` for all beneath them.',
  options: {
    ports: { type: 'string', value: 'PORT,…', about: 'only these ports, such as 80,443 or 8000-8999' },
  },
  positionals: { min: 1, max: 65, kinds: ['sandbox', 'word'] },
  async run({ args, out, json, connect }) {
    const [id = '', ...words] = args.positionals;
    const client = await connect();
    const sandbox = client.sandboxes.handle(id);
    if (words.length === 0) {
      if (args.has('ports')) throw new UsageError('--ports belongs to a list of names and networks');
      const view = await sandbox.network();
      if (json) await out.json(view);
      else await out.write(describe(view));
      return 0;
    }
    const info = await sandbox.setNetwork(networkOf(words.join(','), args.text('ports')));
    if (json) await out.json(info);
    else await out.line(changed(info));
    return 0;
  },
};

function changed(info: Sandbox): string {
  return clean(`${info.id}  ${networkText(info.network)}`);
}

function describe(view: NetworkView): string {
  const fields = textFields([
    ['network', clean(networkText(view.network))],
    ['opened', `${view.opened} connections`],
  ]);
  const rows = [
    ...view.refused.map(({ address, protocol, port, packets, since }) => [
      port === undefined ? address : `${address}:${port}`,
      protocol,
      `${packets} packets`,
      since,
    ]),
    ...view.names.map(({ name, why, address, count, lastAt }) => [
      clean(name),
      why === 'not-allowed' ? 'name not allowed' : `leads to ${address ?? 'a refused address'}`,
      `${count} lookups`,
      lastAt,
    ]),
  ];
  return rows.length === 0 ? fields : `${fields}\n${textTable(['REFUSED', 'WHAT', 'HOW OFTEN', 'WHEN'], rows)}`;
}
