import { allowsName, isList } from '../../domain/network/allow-list.ts';
import { type AnswerBounds, judge } from '../../domain/network/answer.ts';
import type { Cidr } from '../../domain/network/cidr.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { LookedUp } from '../network/looked-up.ts';
import type { KeptPermit } from '../network/permits.ts';
import { RefusedNames } from './refused-names.ts';
import type { Upstream } from './upstream.ts';
import { CODE, type Question, readQuestion, writeAnswer } from './wire.ts';

export interface ResolverDeps {
  readonly upstream: Pick<Upstream, 'ask'>;
  readonly permitOf: (address: string) => KeptPermit | undefined;
  /** The answer may be sent when it resolves. */
  readonly answered: (address: string, name: string, found: readonly LookedUp[]) => Promise<void>;
  /** Ranges that the operator lets allow-lists name. */
  readonly open: readonly Cidr[];
  /** Addresses of this Arc's sandboxes. */
  readonly own: Cidr;
  readonly clock: Clock;
  readonly log: Logger;
  /** s that an address stays open beyond the time that its reader was told. Default 30. */
  readonly graceSeconds?: number;
  /** Default: 5 s to 5 min. */
  readonly bounds?: AnswerBounds;
}

const BOUNDS: AnswerBounds = { ttlMin: 5, ttlMax: 300, addressesMax: 64 };
const GRACE_SECONDS = 30;
/** Questions of one sandbox, and of all, that are on their way at once. */
const OPEN_EACH_MAX = 32;
const OPEN_ALL_MAX = 1024;

/**
 * What a question of a sandbox is answered with. Addresses are let out before they are told. Only addresses are asked
 * for: sandboxes have no IPv6, so that AAAA has an empty answer, and no other kind of record is of use to who may only
 * connect to what was answered here.
 */
export class Resolver {
  readonly #deps: ResolverDeps;
  readonly #open = new Map<string, number>();
  readonly names: RefusedNames;
  #openAll = 0;

  constructor(deps: ResolverDeps) {
    this.#deps = deps;
    this.names = new RefusedNames(deps.clock);
  }

  /** Nothing where there is nobody to be answered. @param room for a datagram; absent: whatever it needs */
  async answer(message: Buffer, source: string, datagram: boolean): Promise<Buffer | undefined> {
    const permit = this.#deps.permitOf(source);
    const question = readQuestion(message);
    // Whoever is no sandbox of ours, or may not look up anything, was let through by no rule of ours.
    if (permit === undefined || question === undefined) return undefined;
    const mine = this.#open.get(source) ?? 0;
    if (mine >= OPEN_EACH_MAX || this.#openAll >= OPEN_ALL_MAX) return writeAnswer(question, CODE.refused, []);
    this.#open.set(source, mine + 1);
    this.#openAll += 1;
    try {
      return await this.#look(question, permit, datagram ? question.room : undefined);
    } catch (error) {
      this.#deps.log.warn({ err: error, sandbox: permit.id }, 'a name could not be looked up for a sandbox');
      return writeAnswer(question, CODE.failed, []);
    } finally {
      const left = (this.#open.get(source) ?? 1) - 1;
      if (left > 0) this.#open.set(source, left);
      else this.#open.delete(source);
      this.#openAll -= 1;
    }
  }

  async #look(question: Question, permit: KeptPermit, room: number | undefined): Promise<Buffer> {
    const { name, type } = question;
    if (!allowsName(permit.policy, name)) {
      this.names.note(permit.address, { name, why: 'not-allowed' });
      return writeAnswer(question, CODE.refused, []);
    }
    if (type !== 'A') return writeAnswer(question, CODE.ok, []);
    const reply = await this.#deps.upstream.ask(name);
    if (reply === undefined) return writeAnswer(question, CODE.failed, []);
    if (reply.code !== CODE.ok) return writeAnswer(question, reply.code, []);
    const { own, open } = this.#deps;
    const public_ = !isList(permit.policy);
    const judged = judge(name, reply.records, this.#deps.bounds ?? BOUNDS, public_ ? [] : open, own);
    if (judged.refused.length > 0) {
      this.names.note(permit.address, { name, why: 'refused-address', address: judged.refused[0] ?? '' });
      this.#deps.log.info(
        { sandbox: permit.id, name, addresses: judged.refused },
        'a name that a sandbox asked for leads to an address that no sandbox may reach',
      );
    }
    // While the answer was on its way the sandbox may have got another policy, or its address another owner.
    const now = this.#deps.permitOf(permit.address);
    if (now?.id !== permit.id || !allowsName(now.policy, name)) return writeAnswer(question, CODE.refused, []);
    if (isList(now.policy) && judged.addresses.length > 0) {
      const seconds = judged.ttl + (this.#deps.graceSeconds ?? GRACE_SECONDS);
      const found = judged.addresses.map((address) => ({ address, seconds }));
      await this.#deps.answered(permit.address, name, found);
    }
    return writeAnswer(question, CODE.ok, judged.records, room);
  }
}
