import { decode, encode, type Packet, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet';
import type { AnswerRecord } from '../../domain/network/answer.ts';

/** Codes of answers that we give or read. */
export const CODE = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
const CODE_MASK = 0xf;
/** What fits into a datagram that no network has to cut; a client may say that it takes more. */
export const DATAGRAM_BYTES = 512;
const DATAGRAM_BYTES_MAX = 1232;

export interface Question {
  readonly id: number;
  readonly name: string;
  /** Such as `A`. */
  readonly type: string;
  /** Bytes of the longest datagram that its sender takes. */
  readonly room: number;
  readonly raw: Packet;
}

/** `undefined` for what is no question, or not a single one. */
export function readQuestion(message: Buffer): Question | undefined {
  const packet = tryDecode(message);
  const [question, ...more] = packet?.questions ?? [];
  if (packet?.type !== 'query' || packet.id === undefined || question === undefined || more.length > 0)
    return undefined;
  const opt = packet.additionals?.find((one) => one.type === 'OPT');
  const said = opt?.type === 'OPT' ? opt.udpPayloadSize : DATAGRAM_BYTES;
  const room = Math.min(Math.max(said, DATAGRAM_BYTES), DATAGRAM_BYTES_MAX);
  return { id: packet.id, name: question.name, type: question.type, room, raw: packet };
}

/** @param room a longer answer is cut, and says so: its reader then asks by TCP */
export function writeAnswer(
  { id, raw }: Question,
  code: number,
  records: readonly AnswerRecord[],
  room = Number.POSITIVE_INFINITY,
): Buffer {
  const recursion = (raw.flags ?? 0) & RECURSION_DESIRED;
  const packet = (answers: readonly AnswerRecord[], flags: number): Buffer =>
    encode({
      type: 'response',
      id,
      flags: flags | recursion | RECURSION_AVAILABLE | code,
      questions: [...(raw.questions ?? [])],
      answers: answers.map((one) => ({ ...one, class: 'IN' as const })),
    });
  const whole = packet(records, 0);
  return whole.length <= room ? whole : packet([], TRUNCATED);
}

const TRUNCATED = 1 << 9;

export function writeQuery(id: number, name: string): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: 'A', class: 'IN', name }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: DATAGRAM_BYTES_MAX, flags: 0, options: [] } as never],
  });
}

export interface Reply {
  readonly code: number;
  readonly records: readonly AnswerRecord[];
  /** It was too long for a datagram. */
  readonly cut: boolean;
}

/** `undefined` for what does not answer this very question: others may send us datagrams, too. */
export function readReply(message: Buffer, id: number, name: string): Reply | undefined {
  const packet = tryDecode(message);
  const [question] = packet?.questions ?? [];
  if (packet?.type !== 'response' || packet.id !== id || question?.type !== 'A') return undefined;
  if (question.name.toLowerCase() !== name.toLowerCase()) return undefined;
  const flags = packet.flags ?? 0;
  const records = (packet.answers ?? []).flatMap((one): AnswerRecord[] => {
    if (one.type !== 'A' && one.type !== 'CNAME') return [];
    const ttl = one.ttl ?? 0;
    return [{ type: one.type, name: one.name, ttl: Number.isInteger(ttl) && ttl > 0 ? ttl : 0, data: one.data }];
  });
  return { code: flags & CODE_MASK, records, cut: (flags & TRUNCATED) !== 0 };
}

/** Messages come from whoever likes to send some. */
function tryDecode(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}
