import { ArcError } from '../contract/errors.ts';

/**
 * What may begin now and what waits. Owners take turns, and of each owner's the oldest goes first, so that one who asks
 * for a thousand keeps nobody else waiting for more than one of them. Decides only; who starts things asks it.
 */
export interface AdmissionLimits {
  /** Starts at once. */
  readonly startsMax: number;
  /** Sandboxes waiting for their turn. */
  readonly queueMax: number;
  /** Of them, those of one owner. Default: half. */
  readonly ownerQueueMax?: number;
}

/** @typeParam T what to remember with each that waits. */
export class Admission<T = undefined> {
  readonly #limits: Required<AdmissionLimits>;
  /** Whose turn it is comes first; after its turn an owner goes to the end. */
  readonly #owners = new Map<string, Map<string, T>>();
  readonly #ownerOf = new Map<string, string>();
  readonly #starting = new Set<string>();

  constructor(limits: AdmissionLimits) {
    this.#limits = { ownerQueueMax: Math.max(1, Math.floor(limits.queueMax / 2)), ...limits };
  }

  has(id: string): boolean {
    return this.#ownerOf.has(id) || this.#starting.has(id);
  }

  get starting(): number {
    return this.#starting.size;
  }

  get waiting(): number {
    return this.#ownerOf.size;
  }

  /** Its turn at once, where nobody waits and there is room. */
  tryBegin(id: string): boolean {
    if (this.waiting > 0 || this.#starting.size >= this.#limits.startsMax) return false;
    this.#starting.add(id);
    return true;
  }

  /** A turn for work in the background: where nobody waits, and one place stays free for the next who asks. */
  tryBehind(id: string): boolean {
    if (this.waiting > 0 || this.#starting.size >= Math.max(1, this.#limits.startsMax - 1)) return false;
    this.#starting.add(id);
    return true;
  }

  /** Throws at_capacity before anything of a new sandbox is written. What was accepted earlier is never refused. */
  checkRoom(owner: string): void {
    if (this.waiting >= this.#limits.queueMax) {
      throw new ArcError('at_capacity', `${this.waiting} sandboxes wait for their start already`);
    }
    const own = this.#owners.get(owner)?.size ?? 0;
    if (own >= this.#limits.ownerQueueMax) {
      throw new ArcError('at_capacity', `${own} sandboxes of ${owner} wait for their start already`);
    }
  }

  push(id: string, owner: string, remember: T): void {
    if (this.has(id)) return;
    const own = this.#owners.get(owner) ?? new Map<string, T>();
    this.#owners.set(owner, own.set(id, remember));
    this.#ownerOf.set(id, owner);
  }

  /** The next whose turn it is, if there is room. */
  next(): { readonly id: string; readonly remembered: T } | undefined {
    if (this.#starting.size >= this.#limits.startsMax) return undefined;
    const [turn] = this.#owners;
    const [first] = turn?.[1] ?? [];
    if (!turn || !first) return undefined;
    const [owner, own] = turn;
    const [id, remembered] = first;
    this.#unqueue(id);
    this.#owners.delete(owner);
    if (own.size > 0) this.#owners.set(owner, own);
    this.#starting.add(id);
    return { id, remembered };
  }

  /** Its start is over, or it waits no more. */
  leave(id: string): void {
    this.#unqueue(id);
    this.#starting.delete(id);
  }

  /** 1: the next one. `undefined`: it does not wait. */
  position(id: string): number | undefined {
    const owner = this.#ownerOf.get(id);
    const own = owner === undefined ? undefined : this.#owners.get(owner);
    if (owner === undefined || !own) return undefined;
    let before = 0;
    for (const waiting of own.keys()) {
      if (waiting === id) break;
      before += 1;
    }
    // By its turn every other owner has had as many, and one more where its own turn comes first.
    let place = before + 1;
    let ahead = true;
    for (const [other, others] of this.#owners) {
      if (other === owner) ahead = false;
      else place += Math.min(others.size, ahead ? before + 1 : before);
    }
    return place;
  }

  #unqueue(id: string): void {
    const owner = this.#ownerOf.get(id);
    if (owner === undefined) return;
    this.#ownerOf.delete(id);
    const own = this.#owners.get(owner);
    own?.delete(id);
    if (own?.size === 0) this.#owners.delete(owner);
  }
}
