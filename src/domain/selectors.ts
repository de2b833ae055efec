import { ArcError } from '../contract/errors.ts';
import { LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN } from '../contract/schemas/template.ts';

/** One condition on labels: `key=value`, or `key` for any value. */
export type Selector = { readonly key: string; readonly value?: string };

/** Selectors in one question. */
export const SELECTORS_MAX = 16;

const KEY = new RegExp(LABEL_KEY_PATTERN);
const VALUE = new RegExp(LABEL_VALUE_PATTERN);

export function parseSelector(text: string): Selector {
  const at = text.indexOf('=');
  const key = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? undefined : text.slice(at + 1);
  if (!KEY.test(key))
    throw new ArcError('invalid_request', `label: ${JSON.stringify(key.slice(0, 80))} is not a label key`);
  if (value === undefined) return { key };
  if (!VALUE.test(value)) {
    throw new ArcError('invalid_request', `label: ${JSON.stringify(value.slice(0, 80))} is not a label value`);
  }
  return { key, value };
}

export function parseSelectors(texts: readonly string[]): readonly Selector[] {
  if (texts.length > SELECTORS_MAX)
    throw new ArcError('invalid_request', `label: more than ${SELECTORS_MAX} selectors`);
  return texts.map(parseSelector);
}

export function matches(labels: Readonly<Record<string, string>>, selectors: readonly Selector[]): boolean {
  return selectors.every(
    ({ key, value }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value),
  );
}

/** What the store indexes of labels: `label` finds `key=value`, `label-key` finds a key with any value. */
export function labelIndexes(labels: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  const entries = Object.entries(labels);
  return { label: entries.map(([key, value]) => `${key}=${value}`), 'label-key': entries.map(([key]) => key) };
}

/** The same question in the store's terms. */
export function selectorWhere(selector: Selector): { readonly index: string; readonly value: string } {
  return selector.value === undefined
    ? { index: 'label-key', value: selector.key }
    : { index: 'label', value: `${selector.key}=${selector.value}` };
}
