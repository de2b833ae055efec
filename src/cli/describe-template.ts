import type { TemplateView } from '../contract/schemas/admin.ts';
import type { Template } from '../contract/schemas/template.ts';
import { networkText } from './network-text.ts';
import { textFields } from './text-table.ts';

export function rootText({ root }: Template): string {
  if ('builtin' in root) return 'this machine';
  if ('path' in root) return root.path;
  return root.image ?? ('layers' in root ? `${root.layers.length} layers` : '');
}

export function describeTemplate({ name, template, effective, builtin, createdAt, pool }: TemplateView): string {
  const { root } = template;
  return textFields([
    ['name', name],
    ['description', template.description],
    ['from', rootText(template)],
    ['digest', 'digest' in root ? root.digest : undefined],
    [
      'command',
      effective.command.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(' '),
    ],
    ['user', effective.user],
    ['folder', effective.cwd],
    ['ports', effective.ports.join(', ') || 'none'],
    ['env', Object.keys(template.env ?? {}).join(', ') || undefined],
    ['limits', `memory ${effective.memory}, cpus ${effective.cpus}, pids ${effective.pids}, disk ${effective.disk}`],
    ['isolation', `${effective.isolation} or stronger`],
    ['network', networkText(effective.network)],
    ['capabilities', template.capabilities?.join(', ')],
    ['ttl', effective.ttl ?? 'none'],
    ['pool', pool && poolText(pool)],
    ['pool problem', pool?.problem && problemText(pool)],
    ['added', builtin ? 'built in' : createdAt],
  ]);
}

type Pool = NonNullable<TemplateView['pool']>;

export function poolText({ min, max, target, ready, starting, hits, misses, unfit }: Pool): string {
  const bounds = min === max ? `${min}` : `${min} to ${max}`;
  const counts = `${hits} hits, ${misses} misses${unfit > 0 ? `, ${unfit} that asked for something else` : ''}`;
  return `${ready} ready${starting > 0 ? `, ${starting} starting` : ''} of ${target} (${bounds}); ${counts}`;
}

function problemText({ problem, retryAt }: Pool): string {
  return `${problem}${retryAt === undefined ? '' : `; tried again at ${retryAt}`}`;
}
