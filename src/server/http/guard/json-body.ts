import { ArcError } from '../../../contract/errors.ts';
import { JSON_DEPTH_MAX, JSON_VALUES_MAX } from '../limits.ts';

const DANGEROUS_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** JSON from a stranger: text → value, with prototype keys, depth and number of values bounded. */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replaceAll(/"[\s\S]*"/g, '…') : 'unreadable';
    throw new ArcError('invalid_request', `the body is not valid JSON: ${why.slice(0, 200)}`, { cause });
  }
  checkTree(value);
  return value;
}

/** Goes through the tree without recursion, so that depth costs nothing before it is refused. */
export function checkTree(root: unknown): void {
  const stack: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 0 }];
  let seen = 0;
  for (let item = stack.pop(); item; item = stack.pop()) {
    seen += 1;
    if (seen + stack.length > JSON_VALUES_MAX) {
      throw new ArcError('invalid_request', `the body holds more than ${JSON_VALUES_MAX} values`);
    }
    if (item.depth > JSON_DEPTH_MAX) {
      throw new ArcError('invalid_request', `the body is nested deeper than ${JSON_DEPTH_MAX} levels`);
    }
    if (typeof item.value !== 'object' || item.value === null) continue;
    const depth = item.depth + 1;
    if (Array.isArray(item.value)) {
      if (item.value.length > JSON_VALUES_MAX) {
        throw new ArcError('invalid_request', `the body holds more than ${JSON_VALUES_MAX} values`);
      }
      for (const value of item.value) stack.push({ value, depth });
      continue;
    }
    for (const [key, value] of Object.entries(item.value)) {
      if (DANGEROUS_KEYS.has(key)) throw new ArcError('invalid_request', `the key ${key} is not allowed`);
      stack.push({ value, depth });
    }
  }
}
