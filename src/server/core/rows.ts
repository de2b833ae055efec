import { ArcError, type ErrorCode } from '../../contract/errors.ts';
import { creation, type Quota, quotaError } from '../../domain/quota.ts';
import { breathe } from '../../kit/breathe.ts';
import type { Store, Write } from '../../store/store.ts';
import { PAGE_ROWS } from './options.ts';
import { changeEvents, putRow, SANDBOX, type SandboxRow, type Versioned } from './row.ts';
import type { TcpPorts } from './tcp-ports.ts';

/** Tries of one change against rows that others change meanwhile. */
const CHANGE_TRIES_MAX = 8;

/** After these nothing of a commit is there. */
const UNWRITTEN: ReadonlySet<string> = new Set<ErrorCode>(['conflict', 'disk_full', 'quota_exceeded', 'rate_limited']);

/** Rows of sandboxes in the store. Every change is one commit together with its events. */
export class Rows {
  readonly #store: Store;
  readonly ports: TcpPorts;
  readonly #quotaOf: (owner: string) => Quota;
  /** Ids of those that take room on a node, or will. */
  readonly #present = new Set<string>();

  constructor(store: Store, quotaOf: (owner: string) => Quota, ports: TcpPorts) {
    this.ports = ports;
    this.#store = store;
    this.#quotaOf = quotaOf;
  }

  /** How many take room on a node, or will. */
  get present(): number {
    return this.#present.size;
  }

  /** Every row that was written or seen is counted. */
  count(row: SandboxRow): void {
    this.ports.note(row.id, row.tcpPorts, row.state !== 'removed');
    if (takesRoom(row)) this.#present.add(row.id);
    else this.#present.delete(row.id);
  }

  #written(row: SandboxRow, revision: number): Versioned {
    this.count(row);
    return { row, revision };
  }

  async read(id: string): Promise<Versioned | undefined> {
    const doc = await this.#store.get<SandboxRow>(SANDBOX, id);
    return doc && { row: doc.value, revision: doc.revision };
  }

  /** Quotas are decided in the same commit: of many at the same moment exactly as many get through as may. */
  async insert(row: SandboxRow, also: readonly Write[]): Promise<Versioned> {
    try {
      const quota = this.#quotaOf(row.owner);
      const spends = creation(row.owner, quota, row.createdAt);
      const [revision = 0] = await this.#store.commit([
        putRow(row, 0, quota),
        ...also,
        ...(spends ? [{ op: 'spend', ...spends } as const] : []),
        ...changeEvents(undefined, row),
      ]);
      return this.#written(row, revision);
    } catch (error) {
      const written = await this.#writtenAfterAll(row, error);
      if (!written) {
        this.ports.release(row.id, row.tcpPorts);
        throw quotaError(error, row.owner);
      }
      return written;
    }
  }

  /** Only the answer to a commit may have been lost: then the row is there as it was to be. */
  async #writtenAfterAll(wanted: SandboxRow, error: unknown): Promise<Versioned | undefined> {
    if (error instanceof ArcError && UNWRITTEN.has(error.code)) return undefined;
    const newest = await this.read(wanted.id).catch(() => undefined);
    if (!newest || JSON.stringify(newest.row) !== JSON.stringify(wanted)) return undefined;
    return this.#written(newest.row, newest.revision);
  }

  /**
   * Applies `change` to the newest row. It may be called again when somebody else wrote meanwhile; giving back the row
   * itself means that there is nothing to do.
   */
  async change(
    from: Versioned,
    change: (row: SandboxRow) => SandboxRow,
    also: (row: SandboxRow) => readonly Write[] = () => [],
  ): Promise<Versioned> {
    let current = from;
    for (let tries = 1; ; tries++) {
      const next = change(current.row);
      if (next === current.row) return current;
      try {
        const put = putRow(next, current.revision, this.#quotaOf(next.owner));
        const writes = [put, ...changeEvents(current.row, next), ...also(next)];
        const [revision = 0] = await this.#store.commit(writes);
        return this.#written(next, revision);
      } catch (error) {
        const written = await this.#writtenAfterAll(next, error);
        if (written) return written;
        if (!(error instanceof ArcError && error.code === 'conflict') || tries >= CHANGE_TRIES_MAX) {
          throw quotaError(error, next.owner);
        }
        const newest = await this.read(from.row.id);
        if (!newest) throw new ArcError('sandbox_not_found', `there is no sandbox ${from.row.id}`);
        // The row is as we knew it, so it is something else that is taken, such as its address.
        if (newest.revision === current.revision) throw error;
        current = newest;
      }
    }
  }

  /** All rows of a kind of life, in pages, in the order of ids. `awake`: live ones without those that a policy stopped. */
  async *all(which: 'live' | 'awake' | 'removed'): AsyncGenerator<readonly Versioned[]> {
    const where = [which === 'removed' ? { index: 'state', value: 'removed' } : { index: which, value: '1' }];
    let after: string | undefined;
    for (;;) {
      const query = { kind: SANDBOX, where, limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) };
      const page = await this.#store.list<SandboxRow>(query);
      yield page.map((doc) => ({ row: doc.value, revision: doc.revision }));
      after = page.at(-1)?.id;
      if (page.length < PAGE_ROWS) return;
      await breathe();
    }
  }
}

/** One that was parked as a record only takes none, so that far more can be parked than can run. */
function takesRoom({ state, parked }: SandboxRow): boolean {
  return state !== 'removed' && state !== 'failed' && !(state === 'stopped' && parked?.keep === false);
}
