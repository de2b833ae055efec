import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  type Facets,
  type Filter,
  facets,
  filterFrom,
  filterQuery,
  matcher,
  NO_FILTER,
  type Row,
} from '../lib/filter.ts';
import { link, rows } from '../lib/fleet.ts';
import { plural, words } from '../lib/format.ts';
import { BASE, go, place } from '../lib/router.ts';
import { Icon } from '../parts/icons.tsx';
import { Age, Empty, Labels, StateBadge, TimeLeft } from '../parts/small.tsx';
import { VirtualList } from '../parts/virtual-list.tsx';

/** All sandboxes, as they are now. */

const COLUMNS = '104px minmax(170px,1.3fr) minmax(90px,1fr) 88px minmax(70px,.8fr) minmax(110px,1.5fr) 74px 74px';
const NAMES = ['State', 'Id', 'Template', 'Level', 'Owner', 'Labels', 'Age', 'Time left'] as const;
const ROW_PX = 44;
const ROW_PHONE_PX = 66;
const phone = matchMedia('(max-width: 760px)');

export function Sandboxes(): JSX.Element {
  const all = rows.value;
  const filter = filterFrom(place.value.query);
  const key = filterQuery(filter);
  const shown = useMemo(() => (key === '' ? all : all.filter(matcher(filter))), [all, key]);
  const choices = useMemo(() => facets(all), [all]);
  const change = (next: Filter) => go(`/${filterQuery(next)}`, { replace: true });
  return (
    <main class="page full" id="main">
      <div class="head">
        <h1>Sandboxes</h1>
        <span class="muted" role="status">
          {shown.length === all.length
            ? plural(all.length, 'sandbox', 'sandboxes')
            : `${shown.length.toLocaleString('en')} of ${all.length.toLocaleString('en')}`}
          {link.value === 'loading' && ' · reading…'}
        </span>
        <Live />
        <a class="button primary end" href={`${BASE}/new`}>
          <Icon name="plus" /> Create
        </a>
      </div>
      <Filters filter={filter} choices={choices} onChange={change} />
      {shown.length > 0 ? (
        <Table rows={shown} />
      ) : (
        <section class="card">
          <Nothing any={all.length > 0} onClear={() => change(NO_FILTER)} />
        </section>
      )}
    </main>
  );
}

function Live(): JSX.Element {
  const texts = { live: 'live', loading: 'reading', lost: 'connection lost, trying again', resting: 'resting' };
  const looks = { live: 'running', loading: 'starting', lost: 'failed', resting: 'stopped' };
  return <span class={`badge ${looks[link.value]}`}>{texts[link.value]}</span>;
}

function Filters(props: {
  readonly filter: Filter;
  readonly choices: Facets;
  readonly onChange: (filter: Filter) => void;
}): JSX.Element {
  const { filter, choices, onChange } = props;
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // The key that many pages have for their search.
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (event.key !== '/' || typing || event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const select = (name: 'state' | 'template' | 'level' | 'owner', label: string, found: Facets['states']) => (
    <select
      aria-label={label}
      value={filter[name]}
      onChange={(event) => onChange({ ...filter, [name]: event.currentTarget.value })}
    >
      <option value="">{label}</option>
      {withChosen(found, filter[name]).map(([value, count]) => (
        <option value={value} key={value}>
          {value} ({count})
        </option>
      ))}
    </select>
  );
  return (
    <div class="filters" role="search">
      <div class="search">
        <Icon name="search" />
        <input
          ref={input}
          type="search"
          aria-label="Search sandboxes"
          aria-keyshortcuts="/"
          placeholder="Id, owner, label=value…"
          value={filter.text}
          onInput={(event) => onChange({ ...filter, text: event.currentTarget.value })}
        />
      </div>
      {select('state', 'State', choices.states)}
      {select('template', 'Template', choices.templates)}
      {select('level', 'Level', choices.levels)}
      {select('owner', 'Owner', choices.owners)}
    </div>
  );
}

/** What is chosen stays among the choices, also when there is none of it just now. */
function withChosen(found: Facets['states'], chosen: string): Facets['states'] {
  return chosen === '' || found.some(([value]) => value === chosen) ? found : [...found, [chosen, 0]];
}

function Nothing(props: { readonly any: boolean; readonly onClear: () => void }): JSX.Element {
  if (link.value === 'loading') return <Empty title="Reading…" />;
  if (props.any) {
    return (
      <Empty title="None matches">
        <button type="button" onClick={props.onClear}>
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Empty title="No sandboxes yet">
      <p>A sandbox is one isolated place to run code that nobody trusts. It is made from a template.</p>
      <a class="button primary" href={`${BASE}/new`}>
        <Icon name="plus" /> Create the first
      </a>
    </Empty>
  );
}

export function Table(props: { readonly rows: readonly Row[] }): JSX.Element {
  const [active, setActive] = useState(0);
  const [small, setSmall] = useState(phone.matches);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const listener = () => setSmall(phone.matches);
    phone.addEventListener('change', listener);
    return () => phone.removeEventListener('change', listener);
  }, []);
  const height = small ? ROW_PHONE_PX : ROW_PX;
  const move = (index: number) => {
    const to = Math.max(0, Math.min(props.rows.length - 1, index));
    setActive(to);
    // Drawn first where it was out of sight.
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-index="${to}"]`)?.focus());
  };
  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 };
    const step = event.key === 'Home' ? -active : event.key === 'End' ? props.rows.length : steps[event.key];
    const row = event.target instanceof HTMLElement ? event.target.dataset.index : undefined;
    if (event.key === 'Enter' && row !== undefined) {
      const { sandbox } = props.rows[Number(row)] ?? {};
      if (sandbox) go(`/sandboxes/${sandbox.id}`);
    } else if (step !== undefined) {
      event.preventDefault();
      move(row === undefined ? active : Number(row) + step);
    }
  };
  return (
    <div
      ref={box}
      class="table card"
      role="table"
      aria-label="Sandboxes"
      aria-rowcount={props.rows.length + 1}
      style={{ '--columns': COLUMNS, '--line-height': `${height}px` }}
      onKeyDown={onKey}
    >
      <div role="rowgroup">
        <div class="line names" role="row" aria-rowindex={1}>
          {NAMES.map((name) => (
            <span role="columnheader" key={name}>
              {name}
            </span>
          ))}
        </div>
      </div>
      <VirtualList
        class="body"
        role="rowgroup"
        label="Rows"
        count={props.rows.length}
        height={height}
        at={active}
        row={(index, style) => {
          const row = props.rows[index];
          return row && <Line key={row.sandbox.id} row={row} index={index} style={style} active={index === active} />;
        }}
      />
    </div>
  );
}

function Line(props: { row: Row; index: number; style: Record<string, string>; active: boolean }): JSX.Element {
  const { sandbox } = props.row;
  return (
    <div
      class="line"
      role="row"
      aria-rowindex={props.index + 2}
      data-index={props.index}
      style={props.style}
      tabIndex={props.active ? 0 : -1}
    >
      <span role="cell" title={words(sandbox.reason)}>
        <StateBadge state={sandbox.state} />
      </span>
      <span role="cell" class="cut">
        <a href={`${BASE}/sandboxes/${sandbox.id}`} tabIndex={-1}>
          {sandbox.id}
        </a>
      </span>
      <span role="cell" class="cut">
        {sandbox.template}
      </span>
      <span role="cell" class="muted wide-only">
        {sandbox.isolation}
      </span>
      <span role="cell" class="cut muted wide-only">
        {sandbox.owner}
      </span>
      <span role="cell" class="cut wide-only">
        <Labels labels={sandbox.labels} />
      </span>
      <span role="cell" class="muted number wide-only">
        <Age at={sandbox.createdAt} />
      </span>
      <span role="cell" class="number">
        <TimeLeft sandbox={sandbox} />
      </span>
    </div>
  );
}
