import type { ComponentChildren, JSX } from 'preact';
import type { Loaded } from '../lib/loaded.ts';
import { Empty } from './small.tsx';

/** A card that says that something is being read, why it can not be, or what was. */
export function LoadedCard<T>(props: {
  readonly label: string;
  readonly loaded: Loaded<T>;
  readonly children: (value: T) => ComponentChildren;
}): JSX.Element {
  const { value, problem } = props.loaded;
  if (value === undefined && problem === undefined) {
    return (
      <section class="card pad muted" aria-label={props.label}>
        Reading…
      </section>
    );
  }
  return (
    <section class="card pad" aria-label={props.label}>
      {problem !== undefined && <p class="note bad">{problem}</p>}
      {value === undefined ? <Empty title="This can not be shown" /> : props.children(value)}
    </section>
  );
}
