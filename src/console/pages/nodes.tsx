import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { NodeView, SandboxView } from '../../sdk/index.ts';
import { rows } from '../lib/fleet.ts';
import { bytes, parseBytes, percent, plural } from '../lib/format.ts';
import { type Box, pack } from '../lib/packing.ts';
import { BASE } from '../lib/router.ts';
import { arc } from '../lib/session.ts';
import { attempt } from '../parts/toast.tsx';

/** The machines, and what is packed where: each box a sandbox, as large as the memory it may use. */

const WIDTH = 560;
const HEIGHT = 200;
/** More boxes than this can't be told apart: those of one template stand together as one. */
const BOXES_MAX = 400;
const HUES = [218, 158, 32, 268, 190, 340, 88, 12] as const;

export function useNodes(): readonly NodeView[] | undefined {
  const [nodes, setNodes] = useState<readonly NodeView[]>();
  useEffect(() => void attempt(async () => setNodes(await arc().nodes())), []);
  return nodes;
}

export function Nodes(): JSX.Element {
  const nodes = useNodes();
  const placed = Map.groupBy(
    rows.value.map(({ sandbox }) => sandbox),
    ({ node }) => node,
  );
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Nodes</h1>
        <span class="muted">{nodes && plural(nodes.length, 'machine')}</span>
      </div>
      {nodes?.map((node) => (
        <Node key={node.name} node={node} sandboxes={placed.get(node.name) ?? []} />
      ))}
    </main>
  );
}

function Node({
  node,
  sandboxes,
}: {
  readonly node: NodeView;
  readonly sandboxes: readonly SandboxView[];
}): JSX.Element {
  const promised = sandboxes.reduce((sum, { memory }) => sum + parseBytes(memory), 0);
  const templates = [...new Set(sandboxes.map(({ template }) => template))].sort();
  const share = percent(promised, node.memoryBytes);
  return (
    <section class="card pad">
      <div class="row">
        <h2>{node.name}</h2>
        <span class="muted small">
          {plural(sandboxes.length, 'sandbox', 'sandboxes')} · {plural(node.cpus, 'cpu')} · {bytes(node.memoryBytes)} ·
          Linux {node.kernel} · cgroup {node.cgroup}
        </span>
      </div>
      <div>
        <div class="row small" style={{ marginBottom: '6px' }}>
          <span class="muted">Memory promised to sandboxes</span>
          <span class="end number">
            {bytes(promised)}, {((promised / node.memoryBytes) * 100).toFixed(0)} %
          </span>
        </div>
        <div
          class="meter"
          role="meter"
          aria-label="Memory promised"
          aria-valuenow={Math.round(share)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <div style={{ width: `${share}%` }} />
        </div>
        {sandboxes.length > 0 && <Picture sandboxes={sandboxes} templates={templates} />}
        <ul class="row small" style={{ margin: '10px 0 0' }} aria-label="Colours">
          {templates.map((template, index) => (
            <li key={template}>
              <span class="key" style={{ background: colourOf(index) }} />
              {template} ({sandboxes.filter((one) => one.template === template).length})
            </li>
          ))}
        </ul>
        <Levels node={node} />
      </div>
    </section>
  );
}

const colourOf = (index: number): string =>
  `light-dark(hsl(${HUES[index % HUES.length]} 62% 62%), hsl(${HUES[index % HUES.length]} 45% 42%))`;

interface Part {
  readonly name: string;
  readonly weight: number;
  readonly href: string;
  readonly colour: string;
}

function partsOf(sandboxes: readonly SandboxView[], templates: readonly string[]): readonly Part[] {
  const one = ({ id, state, template, memory }: SandboxView): Part => ({
    name: `${id}: ${template}, ${state}, ${memory}`,
    weight: parseBytes(memory),
    href: `${BASE}/sandboxes/${id}`,
    colour: colourOf(templates.indexOf(template)),
  });
  const parts =
    sandboxes.length <= BOXES_MAX
      ? sandboxes.map(one)
      : templates.map((template, index): Part => {
          const those = sandboxes.filter((sandbox) => sandbox.template === template);
          const weight = those.reduce((sum, { memory }) => sum + parseBytes(memory), 0);
          const name = `${template}: ${plural(those.length, 'sandbox', 'sandboxes')}, ${bytes(weight)}`;
          return { name, weight, href: `${BASE}/?template=${template}`, colour: colourOf(index) };
        });
  return parts
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.colour.localeCompare(b.colour));
}

function Picture(props: {
  readonly sandboxes: readonly SandboxView[];
  readonly templates: readonly string[];
}): JSX.Element {
  const parts = partsOf(props.sandboxes, props.templates);
  const whole: Box = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
  const boxes = pack(
    parts.map(({ weight }) => weight),
    whole,
  );
  return (
    <svg
      class="packing"
      style={{ marginTop: '14px' }}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="group"
      aria-label="What is packed here"
    >
      {parts.map((part, index) => {
        const box = boxes[index] ?? whole;
        return (
          <a href={part.href} key={part.href} aria-label={part.name}>
            <title>{part.name}</title>
            <rect x={box.x} y={box.y} width={box.width} height={box.height} rx="2" style={{ fill: part.colour }} />
          </a>
        );
      })}
    </svg>
  );
}

export function Levels({ node }: { readonly node: NodeView }): JSX.Element {
  return (
    <table class="plain" style={{ marginTop: '16px' }}>
      <thead>
        <tr>
          <th>Level</th>
          <th>Here</th>
          <th>By</th>
          <th>What there is to say</th>
        </tr>
      </thead>
      <tbody>
        {node.levels.map((level) => (
          <tr key={level.level}>
            <td class="nowrap">{level.level}</td>
            <td>
              <span class={`badge ${level.available ? 'running' : 'off'}`}>{level.available ? 'yes' : 'no'}</span>
            </td>
            <td class="nowrap">{level.runtime ?? ''}</td>
            <td class="muted">{level.note}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
