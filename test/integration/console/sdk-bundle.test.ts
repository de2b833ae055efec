import assert from 'node:assert/strict';
import { isBuiltin } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { build, type Rolldown } from 'vite';

/** The SDK as a browser gets it: one file that asks for nothing that a browser does not have. */

const ENTRY = fileURLToPath(new URL('../../../src/sdk/index.ts', import.meta.url));
/** What a page that shows one sandbox loads for it; far above what it is, and well below what would be noticed. */
const BYTES_MAX = 100_000;

async function bundled(): Promise<Rolldown.OutputChunk> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    publicDir: false,
    build: {
      write: false,
      minify: true,
      target: 'es2024',
      lib: { entry: ENTRY, formats: ['iife'], name: 'arcSdk' },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) => ('output' in one ? one.output : []));
  const [chunk, ...more] = outputs;
  assert.ok(chunk?.type === 'chunk' && more.length === 0, 'it is one file');
  return chunk;
}

test('the SDK is one small file for browsers, with no built-in module of Node in it and no package', async () => {
  const { code, imports, dynamicImports, moduleIds } = await bundled();
  assert.deepEqual([...imports, ...dynamicImports], [], 'it imports nothing');
  const foreign = moduleIds.filter((id) => id.includes('node_modules') || id.includes('__vite') || isBuiltin(id));
  assert.deepEqual(foreign, []);
  assert.ok(code.length < BYTES_MAX, `${code.length} bytes`);
});

test('it works where there is what browsers have and nothing of Node', async () => {
  const { code } = await bundled();
  const asked: string[] = [];
  const fetch = async (url: string) => {
    asked.push(url);
    return Response.json(
      { status: 'ok', code: 'sandbox_not_found', title: 'there is none', detail: 'none' },
      { status: 404 },
    );
  };
  const browser = {
    ...{ fetch, AbortController, AbortSignal, Blob, URL, URLSearchParams, TextEncoder, TextDecoder, Headers },
    ...{ ReadableStream, TextDecoderStream, WebSocket, crypto, setTimeout, clearTimeout, atob, btoa, DOMException },
  };
  const found = await runInNewContext(
    `${code};
    arcSdk.client({ url: 'http://arc.test', key: 'k' }).sandboxes.get('sb-1')
      .then(() => 'found', (error) => [error instanceof arcSdk.ArcError, error.code].join())`,
    browser,
  );
  assert.equal(found, 'true,sandbox_not_found');
  assert.deepEqual(asked, ['http://arc.test/v1/sandboxes/sb-1']);
});
