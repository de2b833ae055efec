import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Handle } from '../../../src/runtimes/runtime.ts';
import { go, js, python, run, type WasmWorld, wasmWorld } from './harness.ts';

const MIB = 1024 * 1024;
/** Python's ways to JavaScript. Each either ends the program, or is an error of Python; none gets anything. */
const TO_JAVASCRIPT: readonly string[] = [
  'import js; print("OUT", js.process)',
  'import js; print("OUT", js.globalThis)',
  'import pyodide.code; print("OUT", pyodide.code.run_js("process.version"))',
  'import pyodide_js; print("OUT", pyodide_js.version)',
  'import _pyodide_core; print("OUT", _pyodide_core.jsnull.constructor.constructor("return process")())',
  'from pyodide.ffi import to_js; print("OUT", to_js([1]).constructor.constructor("return process")())',
  'from pyodide.ffi import create_proxy; print("OUT", create_proxy(print).constructor)',
  'from pyodide.ffi import run_sync; import js; print("OUT", run_sync(js.fetch("http://127.0.0.1/")))',
  'import gc; print("OUT", [o.constructor.constructor("return process")() for o in gc.get_objects() if "JsProxy" in type(o).__name__][0])',
  'import pyodide.http; print("OUT", pyodide.http.open_url("http://127.0.0.1/").read())',
];
/** Python's ways to the machine. */
const TO_THE_MACHINE: readonly string[] = [
  'import os; assert os.system("id > /tmp/out") == 0; print("OUT")',
  'import subprocess; print("OUT", subprocess.run(["id"], capture_output=True))',
  'import os; print("OUT", os.fork())',
  'import socket; socket.create_connection(("127.0.0.1", 22), 2); print("OUT")',
  'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("OUT")',
  'import urllib.request; print("OUT", urllib.request.urlopen("http://127.0.0.1/").read())',
  'import ctypes; print("OUT", ctypes.CDLL(None).system(b"id"))',
  'print("OUT", open("/etc/passwd").read())',
  'print("OUT", open("/proc/self/environ").read())',
];
/** Programs of JavaScript that print OUT where they get something. */
const OUT_OF_QUICKJS: readonly string[] = [
  'const f = (function(){}).constructor; const p = f("return typeof process.binding + typeof process.mainModule")(); if (p !== "undefinedundefined") console.log("OUT", p)',
  'const g = console.log.constructor("return this")(); for (const k of ["fetch", "WebAssembly", "Buffer", "Deno", "std", "os"]) if (g[k] !== undefined) console.log("OUT", k)',
  'try { console.log("OUT", require("child_process")) } catch {}',
  'import("fs").then((m) => console.log("OUT", m), () => {})',
  'try { throw new Error() } catch (e) { const s = e.constructor.prepareStackTrace; if (s) console.log("OUT") }',
  'try { console.log("OUT", require("fs").readFileSync("/etc/passwd", "utf8")) } catch {}',
  'try { console.log("OUT", require("fs").readFileSync("../../../../../../etc/passwd", "utf8")) } catch {}',
  'if (globalThis.__arc || globalThis.__arcStart) console.log("OUT")',
];

for (const jail of [true, false]) {
  describe(`a hostile program, ${jail ? 'in a jail' : 'without a jail'}`, () => {
    let world: WasmWorld;
    let handle: Handle;
    before(async () => {
      world = await wasmWorld({ jail });
      handle = await world.runtime.start(world.order({ limits: { memoryBytes: 64 * MIB, diskBytes: 4 * MIB } }), go());
    });
    after(() => world[Symbol.asyncDispose]());

    test('Python reaches no JavaScript', async () => {
      for (const text of TO_JAVASCRIPT) {
        const { stdout, code } = await run(world.runtime, handle, python(text));
        assert.doesNotMatch(stdout, /OUT/, text);
        assert.notEqual(code, 0, text);
      }
    });

    test('Python reaches nothing of the machine', async () => {
      for (const text of TO_THE_MACHINE) {
        const { stdout, code } = await run(world.runtime, handle, python(text));
        assert.doesNotMatch(stdout, /OUT/, text);
        assert.notEqual(code, 0, text);
      }
    });

    test('JavaScript finds nothing of Node behind QuickJS', async () => {
      for (const text of OUT_OF_QUICKJS) {
        const { stdout } = await run(world.runtime, handle, js(text));
        assert.doesNotMatch(stdout, /OUT/, text);
      }
    });

    test('who wants too much memory is ended, and it is said', async () => {
      const one = await run(world.runtime, handle, python('x = [b"x" * 10**7 for _ in range(100)]'));
      assert.ok(one.oom, JSON.stringify(one));
      const other = await run(world.runtime, handle, js('const x = []; for (;;) x.push("x".repeat(1e6) + x.length)'));
      assert.ok(other.oom || other.code !== 0, JSON.stringify(other));
    });

    test('an endless loop ends with its time', async () => {
      for (const command of [python('while True: pass'), js('for (;;);')]) {
        const { timedOut } = await run(world.runtime, handle, command, { timeoutMs: 1_500 });
        assert.equal(timedOut, true);
      }
      assert.equal((await run(world.runtime, handle, js('console.log(1)'))).stdout, '1\n');
    });

    test('a flood of output waits for who reads it, and is whole', async () => {
      const text =
        'const line = "x".repeat(1023) + "\\n"; for (let i = 0; i < 20000; i += 1) process.stdout.write(line)';
      const { bytes, code } = await run(world.runtime, handle, js(text));
      assert.deepEqual([bytes, code], [20_000 * 1024, 0]);
    });

    test('more files than it may have are not kept', async () => {
      const text = 'open("/srv/big", "wb").write(b"x" * 8_000_000)';
      const { stderr, code } = await run(world.runtime, handle, python(text));
      assert.match(stderr, /No space left/);
      assert.equal(code, 1);
      assert.equal((await run(world.runtime, handle, python('import os; print(os.listdir("/srv"))'))).stdout, '[]\n');
    });
  });
}
