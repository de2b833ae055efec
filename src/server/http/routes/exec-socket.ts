import { ArcError } from '../../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../../contract/ids.ts';
import { ExecRequest } from '../../../contract/schemas/exec.ts';
import {
  ClientMessage as ClientMessageSchema,
  JoinRequest,
  TerminalRequest,
} from '../../../contract/schemas/stream.ts';
import { CHANNEL, type ClientMessage, type ServerMessage, STREAM_MESSAGE_BYTES_MAX } from '../../../contract/stream.ts';
import type { ExecOrder, ExecStream, Target } from '../../../engines/engine.ts';
import type { Use } from '../../service.ts';
import type { ApiContext } from '../app.ts';
import { checkTree } from '../guard/json-body.ts';
import { lazyCheck, refuse } from '../guard/validate.ts';
import { STDIN_QUEUE_BYTES } from '../limits.ts';
import { orAborted, untilAborted } from '../stream/abort.ts';
import type { Channel, Message } from '../stream/channel.ts';
import { execsOf, orderOf, terminalOrder, withLateEnv } from './exec-order.ts';
import { touching } from './exec-output.ts';

const checks = {
  exec: lazyCheck(ExecRequest),
  terminal: lazyCheck(TerminalRequest),
  join: lazyCheck(JoinRequest),
  message: lazyCheck(ClientMessageSchema),
};

/** `/exec` and `/terminal` as WebSockets. When the client goes, the program stays and can be joined again by its id. */
export function execSockets({ deps, sockets }: ApiContext): void {
  const { sandboxes, rng } = deps;
  for (const kind of ['exec', 'terminal'] as const) {
    sockets.add({
      url: `/v1/sandboxes/:id/${kind}`,
      check: async ({ caller, sandbox }) => {
        await sandboxes.awake(caller, sandbox);
        execsOf(sandboxes.engine);
      },
      serve: async (channel, { caller, sandbox }, signal) => {
        const first = parseText(await channel.first(signal));
        const record = await sandboxes.awake(caller, sandbox);
        const target: Target = { id: record.id, incarnation: record.incarnation };
        const execs = execsOf(sandboxes.engine);
        const order = orderFor(kind, first);
        const id = encodeId('ex', rng.bytes(ID_BYTES));
        const stream = await (typeof order === 'string'
          ? execs.join(target, order)
          : execs.start(target, id, withLateEnv(order, record)));
        await using _ = stream;
        await say(channel, { type: 'started', id: stream.id, sandbox: record.id, tty: stream.tty });
        const use = sandboxes.use(record.id);
        const unheard = stream.tty ? sandboxes.onWarning(record.id, (text) => warn(channel, text)) : () => {};
        try {
          await talk(channel, touching(stream, use), signal, use);
        } finally {
          unheard();
          use.end();
        }
      },
    });
  }
}

/** What the first message asks for: a command, or by its id one to join. */
function orderFor(kind: 'exec' | 'terminal', first: unknown): ExecOrder | string {
  if (typeof first === 'object' && first !== null && 'join' in first) {
    const faults = checks.join(first, 'message');
    if (faults.length > 0) throw refuse(faults);
    return String(first.join);
  }
  const faults = checks[kind](first, 'message');
  if (faults.length > 0) throw refuse(faults);
  if (kind === 'exec') {
    if ((first as ExecRequest).stdin !== undefined) {
      throw new ArcError('invalid_request', 'message.stdin: send input as binary messages instead');
    }
    return orderOf(first as ExecRequest);
  }
  return terminalOrder(first as Parameters<typeof terminalOrder>[0]);
}

/** A line of ours between what the program says: the first column before and after, and nothing that a terminal obeys. */
function warn(channel: Channel, text: string): void {
  const line = Buffer.from(`\0\r\n[arc] ${text}\r\n`, 'utf8');
  line[0] = CHANNEL.stdout;
  channel.send(line).catch(() => {}); // the client has gone, and its loop says so
}

/** Both directions until the program ends or the client goes. */
async function talk(channel: Channel, stream: ExecStream, signal: AbortSignal, use: Use): Promise<void> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  stream.exit.catch(() => {});
  const input = new Input(channel, stream, broken.reject);
  channel.listen((message) => {
    use.touch();
    input.take(message);
  });
  await Promise.race([sendOutput(channel, stream, signal), broken.promise]);
  const { timedOut, ...exit } = await orAborted(stream.exit, signal);
  await say(channel, { type: 'exit', exit, timedOut });
}

async function sendOutput(channel: Channel, stream: ExecStream, signal: AbortSignal): Promise<void> {
  const piece = STREAM_MESSAGE_BYTES_MAX - 1;
  for await (const { stream: name, data } of untilAborted(stream.output, signal)) {
    for (let from = 0; from < data.length; from += piece) {
      const part = data.subarray(from, from + piece);
      const message = new Uint8Array(part.length + 1);
      message[0] = CHANNEL[name];
      message.set(part, 1);
      await channel.send(message);
    }
  }
}

/** What comes from the client: input in order and bounded; signals and sizes at once, past input that waits. */
class Input {
  readonly #channel: Channel;
  readonly #stream: ExecStream;
  readonly #fault: (error: unknown) => void;
  readonly #queue: (Uint8Array | 'end')[] = [];
  #queued = 0;
  #writing = false;

  constructor(channel: Channel, stream: ExecStream, fault: (error: unknown) => void) {
    this.#channel = channel;
    this.#stream = stream;
    this.#fault = fault;
  }

  take(message: Message): void {
    try {
      if (message.bytes !== undefined) this.#takeBytes(message.bytes);
      else this.#takeCommand(parseText(message));
    } catch (error) {
      this.#fault(error);
    }
  }

  #takeBytes(bytes: Buffer): void {
    if (bytes[0] !== CHANNEL.stdin)
      throw new ArcError('invalid_request', 'binary messages begin with the byte 0 (input)');
    if (bytes.length > 1) this.#enqueue(bytes.subarray(1));
  }

  #takeCommand(value: unknown): void {
    const faults = checks.message(value, 'message');
    if (faults.length > 0) throw refuse(faults);
    const message = value as ClientMessage;
    // The program may end at the very moment; that is told by its exit.
    if (message.type === 'signal') this.#stream.signal(message.signal).catch((error) => this.#ifWorded(error));
    else if (message.type === 'resize') this.#stream.resize(message.cols, message.rows).catch(() => {});
    else this.#enqueue('end');
  }

  #ifWorded(error: unknown): void {
    if (error instanceof ArcError && error.code === 'invalid_request') this.#fault(error);
  }

  #enqueue(item: Uint8Array | 'end'): void {
    this.#queue.push(item);
    this.#queued += item === 'end' ? 0 : item.length;
    if (this.#queued > STDIN_QUEUE_BYTES) this.#channel.pause();
    if (!this.#writing) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      try {
        await (item === 'end' ? this.#stream.closeStdin() : this.#stream.write(item));
      } catch {
        // It reads no more. What is still sent to it is dropped, as a pipe would.
      }
      this.#queued -= item === 'end' ? 0 : item.length;
      if (this.#queued <= STDIN_QUEUE_BYTES / 2) this.#channel.resume();
    }
    this.#writing = false;
  }
}

function parseText(message: Message): unknown {
  if (message.text === undefined) throw new ArcError('invalid_request', 'the first message must be text');
  let value: unknown;
  try {
    value = JSON.parse(message.text);
  } catch (cause) {
    throw new ArcError('invalid_request', 'the message is not valid JSON', { cause });
  }
  checkTree(value);
  return value;
}

function say(channel: Channel, message: ServerMessage): Promise<void> {
  return channel.send({ ...message });
}
