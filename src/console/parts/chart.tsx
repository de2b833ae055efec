import type { JSX } from 'preact';

/** What a value was over the last minutes, as a small area. The words beside it say the same for who can't see it. */

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

const WIDTH = 240;
const HEIGHT = 84;

export function Chart(props: {
  readonly title: string;
  readonly now: string;
  readonly note?: string;
  readonly series: readonly Series[];
  /** The top of the scale; where it is not given, what was highest. */
  readonly top?: number;
  readonly points: number;
}): JSX.Element {
  const highest = Math.max(...props.series.flatMap(({ values }) => values), 1e-9);
  const top = props.top ?? highest * 1.15;
  return (
    <figure class="chart card pad">
      <figcaption>
        <span class="muted">{props.title}</span>
        <strong class="end">{props.now}</strong>
        {props.note && <span class="muted small">{props.note}</span>}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${props.title}: ${props.now}`}
      >
        <line class="rule" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        <line class="rule" x1="0" x2={WIDTH} y1={HEIGHT / 2} y2={HEIGHT / 2} />
        {props.series.map(({ name, values }, index) => {
          const line = path(values, top, props.points);
          return (
            <g key={name}>
              {index === 0 && line !== '' && (
                <path class="area" d={`${line}L${WIDTH},${HEIGHT}L${startX(values, props.points)},${HEIGHT}Z`} />
              )}
              <path class={`curve ${index > 0 ? 'second' : ''}`} d={line} />
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

const stepOf = (points: number): number => WIDTH / Math.max(1, points - 1);

/** The newest is at the right edge. */
const startX = (values: readonly number[], points: number): number => WIDTH - (values.length - 1) * stepOf(points);

function path(values: readonly number[], top: number, points: number): string {
  const from = startX(values, points);
  const at = (value: number) => (HEIGHT - 2 - (Math.min(value, top) / top) * (HEIGHT - 6)).toFixed(1);
  return values
    .map((value, i) => `${i === 0 ? 'M' : 'L'}${(from + i * stepOf(points)).toFixed(1)},${at(value)}`)
    .join('');
}
