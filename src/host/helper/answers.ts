import { ArcError, ERRORS, type ErrorCode } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { ExecInfo, FileStat, Target } from '../../engines/engine.ts';
import { type HelperEntry, IDMAP_UNSUPPORTED, RuntimeFailed } from './port.ts';
import { signalName } from './signals.ts';
import type { Fields } from './wire.ts';

/** What the helper answers, as the port's values. */
const isCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);

export function errorOf(fields: Fields): Error {
  const code = fields.get('code') ?? 'internal';
  const message = fields.get('message') ?? 'no reason was given';
  if (code === 'runtime_failed') {
    const exitCode = fields.get('exitCode');
    const oom = fields.get('oom') === '1';
    return new RuntimeFailed(
      message,
      exitCode === undefined ? null : Number(exitCode),
      fields.get('output') ?? '',
      oom,
    );
  }
  if (code === IDMAP_UNSUPPORTED) {
    return new ArcError('host_unfit', message, { extra: { cause: IDMAP_UNSUPPORTED } });
  }
  return new ArcError(isCode(code) ? code : 'internal', message);
}

export function exitOf(fields: Fields): Exit {
  const code = fields.get('code');
  const signal = fields.get('signal');
  const note = fields.get('note');
  return {
    code: code === undefined ? null : Number(code),
    signal: signal === undefined ? null : signalName(Number(signal)),
    oom: fields.get('oom') === '1',
    at: fields.number('at'),
    ...(note === undefined ? {} : { note }),
  };
}

export const targetOf = (fields: Fields): Target => ({ id: fields.text('id'), incarnation: fields.number('inc') });

export function entryOf(fields: Fields): HelperEntry {
  const phase = fields.text('phase');
  const base = {
    ...targetOf(fields),
    dir: fields.text('dir'),
    slot: fields.number('slot'),
    pid: fields.number('pid'),
    pidStart: fields.number('pidStart'),
  };
  if (phase === 'exited') return { ...base, phase, exit: exitOf(fields) };
  return { ...base, phase: phase === 'running' ? 'running' : 'partial' };
}

export function execOf(sandbox: string, fields: Fields): ExecInfo {
  return {
    id: fields.text('exec'),
    sandbox,
    tty: fields.get('tty') === '1',
    command: fields.all('command'),
    startedAt: fields.number('startedAt'),
    ...(fields.get('ended') === '1' ? { exit: { ...exitOf(fields), timedOut: fields.get('timedOut') === '1' } } : {}),
  };
}

export function statOf(fields: Fields): FileStat {
  const type = fields.text('type');
  const target = fields.get('target');
  return {
    name: fields.text('name'),
    type: type === 'file' || type === 'dir' || type === 'symlink' ? type : 'other',
    size: fields.number('size'),
    mode: fields.number('mode'),
    uid: fields.number('uid'),
    gid: fields.number('gid'),
    mtimeMs: fields.number('mtimeNs') / 1e6,
    ...(target === undefined ? {} : { target }),
  };
}
