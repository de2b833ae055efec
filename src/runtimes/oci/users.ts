import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';

/** A user as numbers of the sandbox's own user namespace. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

/** Ids that the slot maps; one beyond would be the overflow id. */
export const IDS_PER_SANDBOX = 65_536;
const ACCOUNT_FILE_BYTES_MAX = 1024 * 1024;
const GROUPS_MAX = 64;
/** Answers that are remembered. */
const KNOWN_MAX = 1024;

/** Resolves `uid`, `uid:gid` or names against /etc/passwd and /etc/group of the root. Numbers need no entry there. */
export async function resolveUser(text: string, lowers: readonly string[]): Promise<ResolvedUser> {
  const [name = '', group] = text.split(':');
  const [passwd, groups] = await Promise.all([readLayered(lowers, 'passwd'), readLayered(lowers, 'group')]);
  return lookUp(name, group, passwd, groups);
}

/** Remembers what was resolved: layers are named by their content and never change. Failures are not remembered. */
export class Users {
  readonly #known = new Map<string, ResolvedUser>();

  async resolve(text: string, lowers: readonly string[]): Promise<ResolvedUser> {
    const key = [text, ...lowers].join('\0');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const user = await resolveUser(text, lowers);
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, user);
    return user;
  }
}

/** The pure part of `resolveUser`: both files as text. */
export function lookUp(name: string, group: string | undefined, passwd: string, groups: string): ResolvedUser {
  const account = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => (isNumber(name) ? fields[2] === name : fields[0] === name) && isNumber(fields[2]));
  if (account === undefined && !isNumber(name)) throw unknown('user', name, 'passwd');
  const uid = Number(account?.[2] ?? name);
  const rows = groups.split('\n').map((line) => line.split(':'));
  const gid = group === undefined ? Number(account?.[3] ?? 0) : groupId(group, rows);
  const login = account?.[0];
  const extra = rows
    .filter((fields) => login !== undefined && group === undefined && fields[3]?.split(',').includes(login))
    .map((fields) => Number(fields[2]))
    .filter((id) => isId(id) && id !== gid);
  if (!isId(uid) || !isId(gid)) throw outOfRange(isId(uid) ? gid : uid);
  return { uid, gid, groups: [...new Set(extra)].slice(0, GROUPS_MAX), home: homeOf(account?.[5]) };
}

function groupId(name: string, rows: readonly string[][]): number {
  if (isNumber(name)) return Number(name);
  const row = rows.find((fields) => fields[0] === name && isNumber(fields[2]));
  if (row === undefined) throw unknown('group', name, 'group');
  return Number(row[2]);
}

function homeOf(field: string | undefined): string {
  return field?.startsWith('/') && !field.includes('\0') ? field : '/';
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^[0-9]{1,10}$/.test(text);
}

function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < IDS_PER_SANDBOX;
}

function unknown(kind: string, name: string, file: string): ArcError {
  return new ArcError('start_failed', `the ${kind} "${name}" is not in the root's /etc/${file}`, {
    hint: 'Use a number, or a name that the root filesystem knows.',
  });
}

function outOfRange(id: number): ArcError {
  return new ArcError('start_failed', `the id ${id} is not below ${IDS_PER_SANDBOX}`, { hint: 'Use a smaller id.' });
}

/**
 * The file as the overlay will show it: the topmost layer that has it decides. No link is followed, neither the file nor
 * its folder, since in a layer from a stranger it may point at the host; a root that has links there has no names.
 */
async function readLayered(lowers: readonly string[], file: string): Promise<string> {
  for (const layer of [...lowers].reverse()) {
    const folder = join(layer, 'etc');
    const etc = await lstat(folder).catch(() => undefined);
    if (etc === undefined) continue;
    if (!etc.isDirectory()) return '';
    const path = join(folder, file);
    const stat = await lstat(path).catch(() => undefined);
    if (stat !== undefined) return stat.isFile() ? await readBounded(path) : '';
  }
  return '';
}

async function readBounded(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    const room = Buffer.alloc(Math.min(size, ACCOUNT_FILE_BYTES_MAX));
    const { bytesRead, buffer } = await handle.read({ buffer: room, position: 0 });
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await handle.close();
  }
}
