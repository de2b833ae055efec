import { ArcError } from '../../contract/errors.ts';
import { SECRET_BYTES_MAX, SECRET_NAME_PATTERN } from '../../contract/schemas/secret.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { flagFor } from '../../domain/flag.ts';
import { flagMode, secretMode } from '../../domain/secret-mode.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, SecretRecord, Secrets } from '../service.ts';
import { auditWrite } from './audit.ts';
import { requireScope } from './scopes.ts';
import { Seal } from './seal.ts';

const SECRET = 'secret';
/** Of one owner at most. */
const SECRETS_MAX = 200;
const NAME = new RegExp(SECRET_NAME_PATTERN);

interface Sealed extends SecretRecord {
  readonly sealed: string;
}

/** What goes into a sandbox beside what its row says; it is in no row, no event and no log. */
export interface Placed {
  readonly env: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
  /** Of these files. */
  readonly modes: Readonly<Record<string, number>>;
}

/** Values that can be set and not read: sealed in the store, opened only where a sandbox gets them. */
export class SecretStore implements Secrets {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #seal: Seal | undefined;

  /** @param deps.key from outside of the database; without one no secret can be kept */
  constructor(deps: { store: Store; clock: Clock; rng: Rng; key: Uint8Array | undefined }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#seal = deps.key && new Seal(deps.key, deps.rng);
  }

  async set(caller: Caller, name: string, value: string): Promise<SecretRecord> {
    requireScope(caller, 'sandboxes:write');
    const { owner } = caller;
    if (!NAME.test(name)) throw new ArcError('invalid_request', 'name: small letters, digits and - are wanted');
    if (value === '' || value.includes('\0') || Buffer.byteLength(value) > SECRET_BYTES_MAX) {
      throw new ArcError('invalid_request', `value: 1 to ${SECRET_BYTES_MAX} bytes without NUL are wanted`);
    }
    if (!this.#seal) throw new ArcError('unavailable', 'this server was started without a key for secrets');
    const id = `${owner}/${name}`;
    const where = [{ index: 'owner', value: owner }];
    const known = await this.#store.get(SECRET, id);
    if (!known && (await this.#store.count({ kind: SECRET, where })) >= SECRETS_MAX) {
      throw new ArcError('invalid_request', `${owner} has ${SECRETS_MAX} secrets already; remove some first`);
    }
    const record: SecretRecord = { owner, name, setAt: this.#clock.now() };
    const sealed: Sealed = { ...record, sealed: this.#seal.close(value, id) };
    await this.#store.commit([
      { op: 'put', kind: SECRET, id, value: sealed, indexes: { owner: [owner] } },
      auditWrite(caller, record.setAt, { action: 'secret.set', subject: name, outcome: 'done' }),
    ]);
    return record;
  }

  async list(caller: Caller): Promise<readonly SecretRecord[]> {
    requireScope(caller, 'sandboxes:read');
    const where = [{ index: 'owner', value: caller.owner }];
    const docs = await this.#store.list<Sealed>({ kind: SECRET, where, limit: SECRETS_MAX });
    return docs.map(({ value: { owner, name, setAt } }) => ({ owner, name, setAt }));
  }

  async remove(caller: Caller, name: string): Promise<void> {
    requireScope(caller, 'sandboxes:write');
    const id = `${caller.owner}/${name}`;
    if (!(await this.#store.get(SECRET, id))) throw missing(caller.owner, name);
    await this.#store.commit([
      { op: 'delete', kind: SECRET, id },
      auditWrite(caller, this.#clock.now(), { action: 'secret.remove', subject: name, outcome: 'done' }),
    ]);
  }

  async flag(caller: Caller, { flag, template }: ResolvedSpec, owner: string): Promise<string> {
    requireScope(caller, 'admin');
    if (!flag) throw new ArcError('not_found', `template ${template} has no flag`);
    return flagFor(await this.#value(flag.owner, flag.secret), owner, template, flag.format);
  }

  /** What a sandbox of this owner gets. Throws secret_not_found. */
  async placed({ owner, spec }: { readonly owner: string; readonly spec: ResolvedSpec }): Promise<Placed> {
    const env: Record<string, string> = {};
    const files: Record<string, string> = {};
    const modes: Record<string, number> = {};
    for (const use of spec.secrets ?? []) {
      const value = await this.#value(use.owner, use.secret);
      if (use.env !== undefined) env[use.env] = value;
      if (use.file === undefined) continue;
      files[use.file] = value;
      modes[use.file] = secretMode(use, spec.user);
    }
    if (spec.flag) {
      const { secret, owner: whose, format, file, env: variable } = spec.flag;
      const flag = flagFor(await this.#value(whose, secret), owner, spec.template, format);
      if (variable !== undefined) env[variable] = flag;
      if (file !== undefined) {
        files[file] = `${flag}\n`;
        modes[file] = flagMode(spec.flag);
      }
    }
    return { env, files, modes };
  }

  async #value(owner: string, name: string): Promise<string> {
    const id = `${owner}/${name}`;
    const doc = await this.#store.get<Sealed>(SECRET, id);
    if (!doc || !this.#seal) throw missing(owner, name);
    return this.#seal.open(doc.value.sealed, id);
  }
}

function missing(owner: string, name: string): ArcError {
  return new ArcError('secret_not_found', `${owner} has no secret ${JSON.stringify(name.slice(0, 80))}`);
}
