import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { EXEC_ID, encodeId, ID_BYTES } from '../../../contract/ids.ts';
import { ExecInfoView, SignalRequest } from '../../../contract/schemas/admin.ts';
import { ExecRequest, ExecResult } from '../../../contract/schemas/exec.ts';
import type { ExecStream } from '../../../engines/engine.ts';
import { type ApiContext, type App, accepts, answer, callerOf, noContent } from '../app.ts';
import { EXEC_BODY_BYTES_MAX, EXEC_KILL_MS } from '../limits.ts';
import { NDJSON, streamTexts } from '../stream/respond.ts';
import { execView } from '../view.ts';
import { execsOf, orderOf, withLateEnv } from './exec-order.ts';
import { collect, lines, touching } from './exec-output.ts';
import { items, SandboxParams } from './query.ts';

const tags = ['commands'];

export function execRoutes(app: App, context: ApiContext): void {
  const { sandboxes } = context.deps;
  runRoute(app, context);

  for (const kind of ['exec', 'terminal'] as const) {
    const summary = kind === 'exec' ? 'Run a command over a WebSocket' : 'A terminal over a WebSocket';
    app.get(
      `/v1/sandboxes/:id/${kind}`,
      {
        exposeHeadRoute: false,
        schema: {
          tags,
          summary,
          params: SandboxParams,
          response: { 101: { description: 'The protocol of contract/stream.ts' } },
        },
      },
      async () => {
        throw new ArcError('upgrade_required', `${kind} is spoken to over a WebSocket, see docs`);
      },
    );
  }
  app.get(
    '/v1/sandboxes/:id/execs',
    {
      schema: {
        tags,
        summary: 'List commands and terminals',
        params: SandboxParams,
        response: { 200: answer('Those that run, and the last that ended', items('ExecList', ExecInfoView)) },
      },
    },
    async (request) => {
      const record = await sandboxes.target(callerOf(request), request.params.id);
      const execs = await execsOf(sandboxes.engine).list({ id: record.id, incarnation: record.incarnation });
      return { items: execs.map(execView) };
    },
  );
  app.post(
    '/v1/sandboxes/:id/execs/:exec/signal',
    {
      schema: {
        tags,
        summary: 'Send a signal to a command',
        params: Type.Object({ ...SandboxParams.properties, exec: Type.String() }, { additionalProperties: false }),
        body: SignalRequest,
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      const { id, exec } = request.params;
      const record = await sandboxes.awake(callerOf(request), id);
      if (!EXEC_ID.test(exec)) throw new ArcError('exec_not_found', 'that is not the id of a command');
      const target = { id: record.id, incarnation: record.incarnation };
      await execsOf(sandboxes.engine).signal(target, exec, request.body.signal);
      return noContent(reply);
    },
  );
}

function runRoute(app: App, context: ApiContext): void {
  const { sandboxes, rng, clock, logger } = context.deps;
  app.post(
    '/v1/sandboxes/:id/exec',
    {
      bodyLimit: EXEC_BODY_BYTES_MAX,
      schema: {
        tags,
        summary: 'Run a command and give its output',
        description:
          'With `Accept: application/x-ndjson` output comes as lines `{stream,data,encoding}`, then `{exit,timedOut}`. The command is killed when the client goes away.',
        params: SandboxParams,
        body: ExecRequest,
        response: { 200: answer('How it ended', ExecResult) },
      },
    },
    async (request, reply) => {
      const stdin = stdinOf(request.body);
      const asked = orderOf(request.body);
      const record = await sandboxes.awake(callerOf(request), request.params.id);
      const order = withLateEnv(asked, record);
      const execs = execsOf(sandboxes.engine);
      const signal = context.live.signal(reply);
      const target = { id: record.id, incarnation: record.incarnation };
      const stream = await execs.start(target, encodeId('ex', rng.bytes(ID_BYTES)), order);
      await using _ = stream;
      const use = sandboxes.use(record.id);
      const killed = killWhenGone(stream, signal, (ms) => clock.sleep(ms).catch(() => {}));
      stream.exit.catch(() => {});
      void feed(stream, stdin);
      try {
        const said = touching(stream, use);
        if (!accepts(request, NDJSON.contentType)) return await collect(said, signal);
        await streamTexts(request, reply, lines(said, signal), { format: NDJSON, clock, log: logger, signal });
        return reply;
      } finally {
        use.end();
        await killed();
      }
    },
  );
}

function stdinOf(request: ExecRequest): Uint8Array {
  const text = request.stdin ?? '';
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new ArcError('invalid_request', 'body.stdin: must be base64');
  }
  return Buffer.from(text, 'base64');
}

/** A program that does not read its input is not in error. */
async function feed(stream: ExecStream, stdin: Uint8Array): Promise<void> {
  try {
    if (stdin.length > 0) await stream.write(stdin);
    await stream.closeStdin();
  } catch {
    // Its exit tells what there is to tell.
  }
}

/** Nobody can join what never told its id, so it ends with its caller. Gives what must be awaited before leaving. */
function killWhenGone(
  stream: ExecStream,
  signal: AbortSignal,
  sleep: (ms: number) => Promise<void>,
): () => Promise<void> {
  let killing: Promise<unknown> = Promise.resolve();
  const kill = () => {
    killing = Promise.race([
      stream.signal('SIGKILL').then(
        () =>
          stream.exit.then(
            () => {},
            () => {},
          ),
        () => {},
      ),
      sleep(EXEC_KILL_MS),
    ]);
  };
  if (signal.aborted) kill();
  else signal.addEventListener('abort', kill, { once: true });
  return async () => {
    await killing;
  };
}
