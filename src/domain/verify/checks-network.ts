import type { Check } from './check.ts';
import type { Facts } from './facts.ts';

const REACHED = new Set(['connected', 'answered']);

function got(facts: Facts, wanted: (word: string) => boolean): readonly string[] {
  return facts
    .of('reach')
    .filter(([word = '', outcome = '']) => REACHED.has(outcome) && wanted(word))
    .map(([word, outcome]) => `${word}: ${outcome}`);
}

function untried(facts: Facts, targets: ReadonlySet<string>): readonly string[] {
  const tried = new Set(facts.all('reach'));
  const missing = [...targets].filter((word) => !tried.has(word));
  return missing.length === 0 ? [] : [`${missing.length} targets were not tried, such as ${missing[0]}`];
}

/** With the widest policy: what is refused under every one. */
export const NETWORK_CHECK: Check = {
  id: 'network.refused',
  title: 'metadata services, private networks, this machine, Arc and neighbours can not be reached',
  find: (facts, expected) => [
    ...untried(facts, expected.refusedTargets),
    ...got(facts, (word) => expected.refusedTargets.has(word)),
  ],
};

/** With no network: nothing at all. */
export const NO_NETWORK_CHECK: Check = {
  id: 'network.none',
  title: 'without a network nothing can be reached, the internet neither',
  find: (facts, expected) => [...untried(facts, expected.noNetworkTargets), ...got(facts, () => true)],
};
