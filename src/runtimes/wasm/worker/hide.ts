/**
 * Takes away what a program that broke out of its engine would find first. It is no wall, and is not counted as one: the
 * walls are the engine, the process without rights, and the jail around it.
 */
export function hideNode(): void {
  const random = crypto.getRandomValues.bind(crypto);
  const gone = [
    'process',
    'require',
    'module',
    'fetch',
    'WebSocket',
    'EventSource',
    'Worker',
    'BroadcastChannel',
    'MessageChannel',
    'MessagePort',
    'Buffer',
    'navigator',
    'localStorage',
    'sessionStorage',
    'Request',
    'Response',
    'Headers',
    'global',
    'setImmediate',
    'setInterval',
    'setTimeout',
    'queueMicrotask',
    'structuredClone',
    'eval',
    'Function',
    'WebAssembly',
  ]; // prettier-ignore
  for (const name of gone) Reflect.deleteProperty(globalThis, name);
  const bare = Object.assign(Object.create(null) as object, {
    getRandomValues: <T extends Uint8Array>(into: T): T => random(into as never),
  });
  Object.defineProperty(globalThis, 'crypto', { value: Object.freeze(bare), configurable: false, writable: false });
}

/** Bytes that memories have grown by, and what happens when they would go beyond. */
export function boundMemory(): (most: number, onFull: () => never) => void {
  const grow = WebAssembly.Memory.prototype.grow;
  let left = Number.POSITIVE_INFINITY;
  let full: (() => never) | undefined;
  WebAssembly.Memory.prototype.grow = function bounded(this: WebAssembly.Memory, pages: number): number {
    left -= Number(pages) * PAGE_BYTES;
    if (left < 0) full?.();
    return grow.call(this, pages);
  };
  return (most, onFull) => {
    left = most;
    full = onFull;
  };
}

const PAGE_BYTES = 65_536;
