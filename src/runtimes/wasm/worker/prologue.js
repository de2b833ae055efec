// What programs for Node expect, as far as it makes sense without a machine around them. Runs inside QuickJS.
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a scope that takes its tools away with it
(() => {
  const arc = globalThis.__arc;
  const { argv, env, cwd } = globalThis.__arcStart;
  delete globalThis.__arc;
  delete globalThis.__arcStart;

  const shown = (value, depth = 0, seen = []) => {
    if (typeof value === 'string') return depth === 0 ? value : JSON.stringify(value);
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return `[Function: ${value.name || '(anonymous)'}]`;
    if (typeof value === 'symbol' || value === null || typeof value !== 'object') return String(value);
    if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ''}`.trimEnd();
    if (seen.includes(value)) return '[Circular]';
    if (depth > 3) return Array.isArray(value) ? '[Array]' : '[Object]';
    const inner = (one) => shown(one, depth + 1, [...seen, value]);
    if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(inner).join(', ')} ]`;
    if (value instanceof Map)
      return `Map(${value.size}) { ${[...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`).join(', ')} }`;
    if (value instanceof Set) return `Set(${value.size}) { ${[...value].map(inner).join(', ')} }`;
    const fields = Object.entries(value).map(
      ([key, one]) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${inner(one)}`,
    );
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  };
  const line =
    (fd) =>
    (...values) =>
      arc.write(fd, `${values.map((one) => shown(one)).join(' ')}\n`);
  globalThis.console = { log: line(1), info: line(1), debug: line(1), error: line(2), warn: line(2), trace: line(2) };
  globalThis.print = line(1);

  const timers = new Map();
  let last = 0;
  const later =
    (repeat) =>
    (call, ms = 0, ...args) => {
      last += 1;
      const wait = Math.max(1, Number(ms) || 0);
      timers.set(last, { call, args, at: arc.now() + wait, every: repeat ? wait : undefined });
      return last;
    };
  globalThis.setTimeout = later(false);
  globalThis.setInterval = later(true);
  globalThis.setImmediate = (call, ...args) => globalThis.setTimeout(call, 0, ...args);
  globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = (id) => void timers.delete(id);
  globalThis.queueMicrotask = (call) => void Promise.resolve().then(call);
  // The next timer that is due is run; what is given is how long to wait for another, or -1.
  const turn = () => {
    const now = arc.now();
    const due = [...timers].filter(([, one]) => one.at <= now).sort(([, a], [, b]) => a.at - b.at)[0];
    if (due) {
      const [id, one] = due;
      if (one.every === undefined) timers.delete(id);
      else one.at = now + one.every;
      one.call(...one.args);
    }
    return timers.size === 0 ? -1 : Math.max(0, Math.min(...[...timers.values()].map(({ at }) => at)) - arc.now());
  };
  Object.defineProperty(globalThis, '__arcTurn', { value: turn });

  const stream = (fd) => ({ write: (text) => arc.write(fd, String(text)) ?? true, isTTY: false });
  globalThis.performance = { now: () => arc.now() };
  globalThis.crypto = {
    getRandomValues: (into) => {
      const from = arc.random(into.length);
      for (let at = 0; at < into.length; at += 1) into[at] = from.charCodeAt(at);
      return into;
    },
  };
  globalThis.process = {
    argv,
    env: { ...env },
    platform: 'wasi',
    arch: 'wasm32',
    pid: 1,
    version: 'v0.0.0',
    versions: { quickjs: '1' },
    cwd: () => cwd,
    exit: (code = 0) => arc.exit(code),
    stdout: stream(1),
    stderr: stream(2),
    exitCode: undefined,
    hrtime: Object.assign(() => [Math.floor(arc.now() / 1000), Math.floor((arc.now() % 1000) * 1e6)], {
      bigint: () => BigInt(Math.floor(arc.now() * 1e6)),
    }),
    nextTick: (call, ...args) => globalThis.queueMicrotask(() => call(...args)),
  };

  const isText = (options) => typeof options === 'string' || typeof options?.encoding === 'string';
  const bytes = (from) => Uint8Array.from(from, (letter) => letter.charCodeAt(0));
  const put = (append) => (path, data) =>
    typeof data === 'string'
      ? arc.writeText(path, data, append)
      : arc.writeBytes(path, Array.from(data, (byte) => String.fromCharCode(byte)).join(''), append);
  const input = (path) => path === 0 || path === '/dev/stdin';
  const fs = {
    readFileSync: (path, options) => {
      if (input(path)) return arc.input();
      return isText(options) ? arc.readText(path) : bytes(arc.readBytes(path));
    },
    writeFileSync: put(false),
    appendFileSync: put(true),
    existsSync: (path) => arc.kind(path) !== undefined,
    readdirSync: (path) => JSON.parse(arc.list(path)),
    mkdirSync: (path, options) => arc.mkdir(path, options?.recursive === true),
    rmSync: (path, options) => arc.remove(path, options?.recursive === true),
    unlinkSync: (path) => arc.remove(path, false),
    statSync: (path) => {
      const kind = arc.kind(path);
      if (kind === undefined) throw new Error(`ENOENT: no such file or directory, stat '${path}'`);
      return {
        size: kind === 'file' ? arc.size(path) : 0,
        isFile: () => kind === 'file',
        isDirectory: () => kind === 'dir',
      };
    },
  };
  const known = { fs, process: globalThis.process };
  globalThis.require = (name) => {
    const found = known[String(name).replace(/^node:/, '')];
    if (found === undefined) throw new Error(`Cannot find module '${name}': the level wasm has fs and process`);
    return found;
  };
  globalThis.module = { exports: {} };
  globalThis.exports = globalThis.module.exports;
})();
