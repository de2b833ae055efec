import { Fragment, type JSX } from 'preact';
import type { Level } from '../../sdk/index.ts';
import { LEVEL_TEXTS } from '../lib/levels.ts';
import { useNodes } from './nodes.tsx';
import { Verification } from './verification.tsx';

/** The levels of isolation, weakest first: what each puts in between, and what is left. */
export function LevelsPage(): JSX.Element {
  const nodes = useNodes() ?? [];
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Isolation levels</h1>
        <span class="muted">weakest first; a sandbox never gets less than it asked for</span>
      </div>
      <Verification />
      {(Object.entries(LEVEL_TEXTS) as [Level, (typeof LEVEL_TEXTS)[Level]][]).map(([level, text]) => {
        const found = nodes.flatMap((node) =>
          node.levels.filter((one) => one.level === level).map((one) => ({ ...one, node: node.name })),
        );
        const given = found.filter(({ available }) => available);
        return (
          <section class="card pad" key={level}>
            <div class="row">
              <h2>{text.title}</h2>
              <code class="muted">{level}</code>
              <span class={`badge ${given.length > 0 ? 'running' : 'off'}`}>
                {given.length > 0 ? 'to be had' : 'not here'}
              </span>
              <span class="muted small">{[...new Set(given.map(({ runtime }) => runtime))].join(', ')}</span>
            </div>
            <dl class="facts">
              <dt>In between</dt>
              <dd>{text.between}</dd>
              <dt>Protects</dt>
              <dd>{text.protects}</dd>
              <dt>What is left</dt>
              <dd>{text.leaves}</dd>
              {found.map((one) => (
                <Fragment key={one.node}>
                  <dt>{one.node}</dt>
                  <dd class="muted">{one.note}</dd>
                </Fragment>
              ))}
            </dl>
          </section>
        );
      })}
    </main>
  );
}
