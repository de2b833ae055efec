import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ArcError } from '../../../contract/errors.ts';
import { FileEntry } from '../../../contract/schemas/exec.ts';
import type { FileSession, FileStat } from '../../../engines/engine.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { LISTING_ENTRIES_MAX } from '../limits.ts';
import { untilAborted } from '../stream/abort.ts';
import { streamContent } from '../stream/respond.ts';
import { linger, uploaded } from '../stream/upload.ts';
import { packTree } from '../tar/pack.ts';
import { unpackTar } from '../tar/unpack.ts';
import { fileView } from '../view.ts';
import { capability } from './exec-order.ts';
import { items, PathText, SandboxParams } from './query.ts';
import { joinPath, parseMode, sandboxPath } from './sandbox-path.ts';

const tags = ['files'];
const closed = { additionalProperties: false } as const;
const PathQuery = Type.Object({ path: PathText }, closed);
const Mode = Type.Optional(Type.String({ pattern: '^[0-7]{3,4}$', description: 'Permission bits in octal' }));
const FileList = items('FileList', FileEntry);
const Unpacked = Type.Object({ entries: Type.Integer(), bytes: Type.Integer() }, { ...closed, $id: 'Unpacked' });
const content = (type: string, description: string) =>
  ({
    description,
    content: { [type]: { schema: Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary' }) } },
  }) as const;

type With<T> = (session: FileSession, signal: AbortSignal) => Promise<T>;
type Open = <T>(request: FastifyRequest, reply: FastifyReply, act: With<T>) => Promise<T>;

/** Files of a sandbox. Every path resolves inside of it; that is the engine's promise, and nothing here touches a disk. */
export function fileRoutes(app: App, context: ApiContext): void {
  const { sandboxes } = context.deps;
  const open: Open = async (request, reply, act) => {
    const signal = context.live.signal(reply);
    const { id } = request.params as { id: string };
    const record = await sandboxes.awake(callerOf(request), id);
    const files = capability(sandboxes.engine, sandboxes.engine.files, 'reach files of');
    await using session = await files.open({ id: record.id, incarnation: record.incarnation });
    return await act(session, signal);
  };
  // Bodies here are content of any type, read chunk by chunk by the handlers.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  readRoutes(app, open);
  changeRoutes(app, context, open);
  tarRoutes(app, context, open);
}

function readRoutes(app: App, open: Open): void {
  const common = { tags, params: SandboxParams, querystring: PathQuery };
  app.get(
    '/v1/sandboxes/:id/files',
    {
      schema: {
        ...common,
        summary: 'Read a file, or list a folder',
        description: 'A file is always `application/octet-stream`; a listing is JSON.',
        response: {
          200: {
            description: 'Content, or a listing',
            content: { ...content('application/octet-stream', '').content, 'application/json': { schema: FileList } },
          },
        },
      },
    },
    (request, reply) =>
      open(request, reply, async (session, signal) => {
        const path = sandboxPath(request.query.path);
        const stat = await session.stat(path, true);
        const headers = fileHeaders(stat);
        if (stat.type === 'dir') {
          reply.headers(headers);
          return await listing(session, path);
        }
        if (stat.type !== 'file') throw new ArcError('file_refused', `${path} is neither a file nor a folder`);
        if (request.method === 'HEAD') return noContent(reply.headers(headers).type('application/octet-stream'), 200);
        await streamContent(reply, untilAborted(session.read(path), signal), {
          ...headers,
          'content-type': 'application/octet-stream',
          'content-disposition': 'attachment',
        });
        return reply;
      }),
  );
  app.get(
    '/v1/sandboxes/:id/files/list',
    { schema: { ...common, summary: 'List a folder', response: { 200: answer('Its entries', FileList) } } },
    (request, reply) => open(request, reply, (session) => listing(session, sandboxPath(request.query.path))),
  );
  app.get(
    '/v1/sandboxes/:id/files/stat',
    {
      schema: {
        ...common,
        summary: 'What is at a path; links are not followed',
        response: { 200: answer('It', FileEntry) },
      },
    },
    (request, reply) =>
      open(request, reply, async (session) => fileView(await session.stat(sandboxPath(request.query.path), false))),
  );
}

async function listing(session: FileSession, path: string): Promise<{ items: FileEntry[] }> {
  const entries = await session.list(path);
  if (entries.length > LISTING_ENTRIES_MAX) {
    throw new ArcError(
      'file_refused',
      `${path} has ${entries.length} entries, more than the ${LISTING_ENTRIES_MAX} of a listing`,
    );
  }
  return { items: entries.map(fileView) };
}

function fileHeaders(stat: FileStat): Record<string, string> {
  return {
    'arc-file-type': stat.type,
    'arc-file-size': String(stat.size),
    'arc-file-mode': stat.mode.toString(8).padStart(4, '0'),
    'last-modified': new Date(stat.mtimeMs).toUTCString(),
  };
}

function changeRoutes(app: App, { deps }: ApiContext, open: Open): void {
  const common = { tags, params: SandboxParams };
  app.put(
    '/v1/sandboxes/:id/files',
    {
      config: { streamedBody: 'application/octet-stream' },
      schema: {
        ...common,
        summary: 'Write a file',
        description: 'The body is its content, of any length. Its folder must exist; what was there is replaced.',
        querystring: Type.Object({ path: PathText, mode: Mode }, closed),
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    (request, reply) =>
      open(request, reply, async (session) => {
        const path = sandboxPath(request.query.path);
        await receiving(request, deps, () =>
          session.write(path, uploaded(request.raw, deps.clock), parseMode(request.query.mode, 0o644)),
        );
        return noContent(reply);
      }),
  );
  app.post(
    '/v1/sandboxes/:id/files',
    {
      config: { streamedBody: 'none' },
      schema: {
        ...common,
        summary: 'Make a folder',
        querystring: Type.Object(
          {
            path: PathText,
            mode: Mode,
            parents: Type.Optional(Type.Boolean({ description: 'Make what is missing above it too' })),
          },
          closed,
        ),
        response: { 201: Type.Null({ description: 'Made' }), 204: Type.Null({ description: 'Done' }) },
      },
    },
    (request, reply) =>
      open(request, reply, async (session) => {
        const { mode, parents } = request.query;
        const path = sandboxPath(request.query.path);
        const made = await makeFolder(session, path, parseMode(mode, 0o755), parents === true);
        return noContent(reply, made ? 201 : 204);
      }),
  );
  app.delete(
    '/v1/sandboxes/:id/files',
    {
      config: { streamedBody: 'none' },
      schema: {
        ...common,
        summary: 'Remove a file or folder',
        querystring: Type.Object({ path: PathText, recursive: Type.Optional(Type.Boolean()) }, closed),
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    (request, reply) =>
      open(request, reply, async (session) => {
        const path = sandboxPath(request.query.path);
        if (path === '/')
          throw new ArcError('file_refused', 'the root of a sandbox can not be removed; reset it instead');
        await session.remove(path, request.query.recursive === true);
        return noContent(reply);
      }),
  );
}

function tarRoutes(app: App, { deps }: ApiContext, open: Open): void {
  const common = { tags, params: SandboxParams, querystring: PathQuery };
  app.get(
    '/v1/sandboxes/:id/files/tar',
    {
      exposeHeadRoute: false,
      schema: {
        ...common,
        summary: 'Get a folder or file as a tar',
        description:
          'Names are relative to the folder; a file is one entry of its own name. Devices and sockets are left out.',
        response: { 200: content('application/x-tar', 'The archive') },
      },
    },
    (request, reply) =>
      open(request, reply, async (session, signal) => {
        const path = sandboxPath(request.query.path);
        await streamContent(reply, untilAborted(packTree(session, path), signal), {
          'content-type': 'application/x-tar',
        });
        return reply;
      }),
  );
  app.put(
    '/v1/sandboxes/:id/files/tar',
    {
      config: { streamedBody: 'application/x-tar' },
      schema: {
        ...common,
        summary: 'Unpack a tar into a folder',
        description:
          'The folder is made where it is missing. Refused: absolute names, `..`, links that lead out of the folder, devices. What came before a refused entry stays.',
        response: { 200: answer('What was unpacked', Unpacked) },
      },
    },
    (request, reply) =>
      open(request, reply, async (session) => {
        const path = sandboxPath(request.query.path);
        return await receiving(request, deps, async () => {
          await makeFolder(session, path, 0o755, true);
          return await unpackTar(session, path, uploaded(request.raw, deps.clock));
        });
      }),
  );
}

/** @returns whether the last folder was made. */
async function makeFolder(session: FileSession, path: string, mode: number, parents: boolean): Promise<boolean> {
  if (path === '/') return false;
  if (!parents) return await session.mkdir(path, mode);
  let made = false;
  let at = '/';
  for (const part of path.slice(1).split('/')) {
    at = joinPath(at, part);
    made = await session.mkdir(at, mode);
  }
  return made;
}

async function receiving<T>(request: FastifyRequest, { clock }: ApiContext['deps'], act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await linger(request.raw, clock);
    throw error;
  }
}
