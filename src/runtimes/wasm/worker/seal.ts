import { exit, say } from './channel.ts';

/**
 * Pyodide is made to let Python reach the JavaScript around it: `import js`, attributes of any JavaScript object, system
 * calls of its host. Here that is the process of the worker, so it is closed where it all passes: at the functions that
 * the WebAssembly module imports. Whatever Python does, its code is in there, and has no other way out.
 */

/** Functions between Python and JavaScript. What is not told apart below ends the program. */
const FOREIGN =
  /^(Js|js|_?python2js|_Js|create_|wrap_|raw_call|emscripten_(asm|set_up|promise)|ffi_|_dl|_emscripten_|handle_next|pyproxy_|_pyproxy|array_to_js|new_error|syncify|my_dict|get_async|_agen|_maybe|_try|getaddrinfo|getnameinfo|getprotobyname|set_pyodide|__syscall_(socket|connect|bind|listen|accept|send|recv|shutdown|getpeer|getsock|setsock))/;

/** Conversions of plain numbers, which the end of a program needs. */
const HARMLESS =
  /^(JsvNum_from(Int|Double)|JsvNoValue_Check|JsvError_Check|Jsv_GetError_import|_emscripten_(get_progname|runtime_keepalive_clear|lookup_name))$/;

/** What programs call in good faith, with the answer that says that it is not to be had. */
const REFUSED: readonly (readonly [RegExp, number])[] = [
  [/^__syscall_/, -2], // EACCES of WASI
  [/^_(maybe|try)_/, -2],
  [/^_emscripten_system$/, -1],
  [/^getaddrinfo$|^getnameinfo$/, -4], // EAI_FAIL
  [/^getprotobyname$|^ffi_|^_dl|^_emscripten_dlopen/, 0],
];

/** Puts itself between the module and its imports; what it gives closes them for good. */
export function sealable(): () => void {
  const { instantiate } = WebAssembly;
  let sealed = false;
  let found = 0;
  const seal = (env: Record<string, unknown>) => {
    for (const [name, inner] of Object.entries(env)) {
      if (typeof inner !== 'function' || !FOREIGN.test(name) || HARMLESS.test(name) || isWasm(inner)) continue;
      found += 1;
      const answer = REFUSED.find(([pattern]) => pattern.test(name))?.[1];
      env[name] = (...args: unknown[]): unknown => {
        if (!sealed) return Reflect.apply(inner, undefined, args);
        if (answer !== undefined) return answer;
        say(`arc: at the level wasm Python can not reach JavaScript (${name})`);
        return exit(LEFT);
      };
    }
  };
  WebAssembly.instantiate = (module, imports) => {
    if (imports?.env !== undefined && !sealed) seal(imports.env as Record<string, unknown>);
    return instantiate.call(WebAssembly, module, imports);
  };
  return () => {
    // Another Pyodide with other names must not run unsealed.
    if (found < FOUND_MIN) throw new Error(`only ${found} ways out of Pyodide were found to be closed`);
    sealed = true;
  };
}

/** Exit code of a program that was ended for trying. */
const LEFT = 126;
const FOUND_MIN = 100;

/** A function of the module itself, which must stay the same object. */
function isWasm(inner: unknown): boolean {
  return /^\d+$/.test((inner as { name: string }).name);
}
