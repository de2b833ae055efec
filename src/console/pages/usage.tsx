import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Sandbox, Stats } from '../../sdk/index.ts';
import { every } from '../lib/clock.ts';
import { bytes } from '../lib/format.ts';
import { noteError } from '../lib/session.ts';
import { Chart } from '../parts/chart.tsx';

/** What one sandbox uses: samples of the last minutes, taken while somebody looks. */

const SAMPLE_MS = 2_000;
const SAMPLES_MAX = 90;

function useSamples(sandbox: Sandbox, incarnation: number): readonly Stats[] {
  const [samples, setSamples] = useState<readonly Stats[]>([]);
  useEffect(() => {
    let over = false;
    let asking = false;
    setSamples([]);
    const take = async () => {
      if (asking) return;
      asking = true;
      try {
        const sample = await sandbox.stats();
        if (!over) setSamples((held) => [...held, sample].slice(-SAMPLES_MAX));
      } catch (error) {
        noteError(error);
      } finally {
        asking = false;
      }
    };
    void take();
    const end = every(SAMPLE_MS, () => void take());
    return () => {
      over = true;
      end();
    };
  }, [sandbox, incarnation]);
  return samples;
}

/** Growth of a counter a second, between each two samples. */
function rates(samples: readonly Stats[], counter: (sample: Stats) => number): readonly number[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] ?? sample;
    const seconds = (Date.parse(sample.at) - Date.parse(before.at)) / 1_000;
    return seconds > 0 ? Math.max(0, counter(sample) - counter(before)) / seconds : 0;
  });
}

export function Usage(props: {
  readonly sandbox: Sandbox;
  readonly cpus: number;
  readonly incarnation: number;
}): JSX.Element {
  const samples = useSamples(props.sandbox, props.incarnation);
  const last = samples.at(-1);
  if (!last) return <p class="muted">Measuring…</p>;
  const cpu = rates(samples, ({ cpuMs }) => cpuMs).map((ms) => ms / 10);
  const received = rates(samples, ({ rxBytes }) => rxBytes);
  const sent = rates(samples, ({ txBytes }) => txBytes);
  const disk = last.diskBytes;
  const common = { points: SAMPLES_MAX };
  return (
    <div class="grid quarters">
      <Chart
        {...common}
        title="Processor"
        now={cpu.length === 0 ? '…' : `${(cpu.at(-1) ?? 0).toFixed(0)} %`}
        note={`of ${props.cpus * 100} %`}
        top={props.cpus * 100}
        series={[{ name: 'cpu', values: cpu }]}
      />
      <Chart
        {...common}
        title="Memory"
        now={bytes(last.memoryBytes)}
        note={`of ${bytes(last.memoryLimitBytes)}`}
        top={last.memoryLimitBytes}
        series={[{ name: 'memory', values: samples.map(({ memoryBytes }) => memoryBytes) }]}
      />
      <Chart
        {...common}
        title="Network"
        now={`↓ ${bytes(received.at(-1) ?? 0)}/s`}
        note={`↑ ${bytes(sent.at(-1) ?? 0)}/s`}
        series={[
          { name: 'in', values: received },
          { name: 'out', values: sent },
        ]}
      />
      <Chart
        {...common}
        title="Disk"
        now={disk === undefined ? 'not known' : bytes(disk)}
        note={`of ${bytes(last.diskLimitBytes)}`}
        top={last.diskLimitBytes}
        series={[{ name: 'disk', values: samples.map(({ diskBytes = 0 }) => diskBytes) }]}
      />
    </div>
  );
}
