import { levelSentence } from '../../contract/levels.ts';
import type { ExecInfoView, KeyView, TemplateView } from '../../contract/schemas/admin.ts';
import type { FileEntry, LogEntry, Stats } from '../../contract/schemas/exec.ts';
import type { Sandbox } from '../../contract/schemas/sandbox.ts';
import type { Network } from '../../contract/schemas/template.ts';
import type { Exit, NetworkPolicy } from '../../contract/spec.ts';
import { formatDuration, formatSize } from '../../contract/units.ts';
import type { ExecInfo, FileStat, LogChunk, RawStats } from '../../engines/engine.ts';
import { eventView, present, rfc3339, stopsView } from '../event-view.ts';
import type { Caller, KeyRecord, PoolStatus, SandboxRecord, TemplateRecord } from '../service.ts';
import type { SandboxUrls } from './deps.ts';
import { encodeChunk } from './stream/text.ts';

export { eventView, present, rfc3339 };

/** Records as code keeps them → documents as the API shows them: times RFC 3339, sizes with units, nothing internal. */

function exitView(exit: Exit): NonNullable<Sandbox['exit']> {
  return { code: exit.code, signal: exit.signal, oom: exit.oom, at: rfc3339(exit.at), ...present({ note: exit.note }) };
}

function urlsOf(record: SandboxRecord, urls: SandboxUrls): { url: string | undefined; urls: Record<string, string> } {
  const [first, ...rest] = record.spec.ports;
  const raw = Object.entries(record.tcpPorts ?? {}).map(([port, at]) => [port, urls.tcp(at)] as const);
  if (first === undefined) return { url: undefined, urls: Object.fromEntries(raw) };
  const url = urls.sandbox(record.id);
  return {
    url,
    urls: Object.fromEntries([...raw, [first, url], ...rest.map((port) => [port, urls.port(record.id, port)])]),
  };
}

export function networkView(policy: NetworkPolicy): Network {
  if (typeof policy === 'string') return policy;
  return { allow: [...policy.allow], ...present({ ports: policy.ports && [...policy.ports] }) };
}

export function sandboxView(record: SandboxRecord, urls: SandboxUrls): Sandbox {
  const { spec } = record;
  const reached = urlsOf(record, urls);
  return {
    id: record.id,
    state: record.state,
    reason: record.reason,
    template: spec.template,
    isolation: spec.isolation,
    protection: levelSentence(spec.isolation),
    owner: record.owner,
    labels: { ...record.labels },
    urls: reached.urls,
    node: record.placement?.node ?? '',
    incarnation: record.incarnation,
    memory: formatSize(spec.limits.memoryBytes),
    cpus: spec.limits.cpus,
    disk: formatSize(spec.limits.diskBytes),
    network: networkView(spec.network),
    createdAt: rfc3339(record.createdAt),
    history: record.history.map(({ at, state, reason, detail }) => ({
      at: rfc3339(at),
      state,
      reason,
      ...present({ detail }),
    })),
    ...present({
      detail: record.detail,
      access: spec.access,
      note: record.placement?.note,
      url: reached.url,
      startedAt: record.startedAt === undefined ? undefined : rfc3339(record.startedAt),
      expiresAt: record.expiresAt === undefined ? undefined : rfc3339(record.expiresAt),
      stops: record.stops && stopsView(record.stops),
      expiresReason: record.expiresAt === undefined ? undefined : ('ttl' as const),
      exit: record.exit === undefined ? undefined : exitView(record.exit),
      queuePosition: record.queuePosition,
      runtime: record.placement?.runtime,
      start: record.start,
    }),
  };
}

/** As the caller may see it: a link shows the person their sandbox, and nothing of how it is filed. */
export function sandboxViewFor(caller: Caller, record: SandboxRecord, urls: SandboxUrls): Sandbox {
  const view = sandboxView(record, urls);
  return caller.link === undefined ? view : { ...view, owner: '', labels: {}, node: '' };
}

export function logView(chunk: LogChunk): LogEntry {
  return {
    seq: chunk.seq,
    time: rfc3339(chunk.time),
    stream: chunk.stream,
    ...encodeChunk(chunk.data),
    ...present({ droppedBytes: chunk.droppedBytes }),
  };
}

export function statsView(record: SandboxRecord, raw: RawStats, at: number): Stats {
  const { diskBytes, ...rest } = raw;
  return {
    id: record.id,
    at: rfc3339(at),
    ...rest,
    memoryLimitBytes: record.spec.limits.memoryBytes,
    diskLimitBytes: record.spec.limits.diskBytes,
    ...present({ diskBytes }),
  };
}

export function fileView(stat: FileStat): FileEntry {
  const { name, type, size, mode, uid, gid, mtimeMs, target } = stat;
  return { name, type, size, mode, uid, gid, modifiedAt: rfc3339(mtimeMs), ...present({ target }) };
}

export function execView(info: ExecInfo): ExecInfoView {
  return {
    id: info.id,
    sandbox: info.sandbox,
    tty: info.tty,
    command: [...info.command],
    startedAt: rfc3339(info.startedAt),
    ...present({ exit: info.exit && { ...exitView(info.exit), timedOut: info.exit.timedOut } }),
  };
}

export function templateView(record: TemplateRecord): TemplateView {
  const { resolved } = record;
  return {
    name: record.template.name,
    builtin: record.builtin,
    createdAt: rfc3339(record.createdAt),
    template: record.template,
    effective: {
      command: [...resolved.command],
      cwd: resolved.cwd,
      user: resolved.user,
      ports: [...resolved.ports],
      memory: formatSize(resolved.limits.memoryBytes),
      cpus: resolved.limits.cpus,
      pids: resolved.limits.pids,
      disk: formatSize(resolved.limits.diskBytes),
      isolation: resolved.isolation,
      network: networkView(resolved.network),
      ...present({ ttl: resolved.ttlMs === null ? undefined : formatDuration(resolved.ttlMs) }),
    },
    ...(record.pool ? { pool: poolView(record.pool) } : {}),
  };
}

function poolView({ template: _name, problem, retryAt, ...counts }: PoolStatus): NonNullable<TemplateView['pool']> {
  return { ...counts, ...present({ problem, retryAt: retryAt === undefined ? undefined : rfc3339(retryAt) }) };
}

export function keyView(key: KeyRecord): KeyView {
  return { id: key.id, name: key.name, owner: key.owner, scopes: [...key.scopes], createdAt: rfc3339(key.createdAt) };
}
