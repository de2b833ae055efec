import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Sandbox } from '../../sdk/index.ts';
import { Icon } from '../parts/icons.tsx';
import { LEAVING, openScreen, type Screen } from './screen.ts';
import { Shell } from './shell.ts';

/** Terminals of one sandbox, side by side as tabs. Their ids are kept for this tab of the browser: a reload finds them. */

interface Open {
  readonly key: number;
  readonly id: string | undefined;
}

const TERMINALS_MAX = 8;

export default function Terminals({ sandbox }: { readonly sandbox: Sandbox }): JSX.Element {
  const [open, setOpen] = useState<readonly Open[]>(() => {
    const known = recall(sandbox.id);
    return known.length > 0 ? known.map((id, key) => ({ key, id })) : [{ key: 0, id: undefined }];
  });
  const [shown, setShown] = useState(0);
  const ids = useRef(new Map<number, string>());
  const next = useRef(open.length);
  const keep = () =>
    remember(
      sandbox.id,
      open.flatMap(({ key }) => ids.current.get(key) ?? []),
    );
  const add = () => {
    const key = next.current++;
    setOpen([...open, { key, id: undefined }]);
    setShown(key);
  };
  const drop = (key: number) => {
    ids.current.delete(key);
    const left = open.filter((one) => one.key !== key);
    setOpen(left);
    if (shown === key) setShown(left.at(-1)?.key ?? 0);
  };
  useEffect(keep, [open]);
  return (
    <section class="terminal" aria-label="Terminals">
      <div class="bar">
        <div class="row" role="tablist" aria-label="Terminals">
          {open.map(({ key }, index) => (
            <button type="button" role="tab" key={key} aria-selected={shown === key} onClick={() => setShown(key)}>
              Terminal {index + 1}
            </button>
          ))}
        </div>
        {open.length < TERMINALS_MAX && (
          <button type="button" onClick={add} aria-label="Open another terminal">
            <Icon name="plus" />
          </button>
        )}
      </div>
      {open.length === 0 && <p class="state">No terminal is open.</p>}
      {open.map((one) => (
        <One
          key={one.key}
          sandbox={sandbox}
          id={one.id}
          shown={shown === one.key}
          onId={(id) => {
            ids.current.set(one.key, id);
            keep();
          }}
          onClose={() => drop(one.key)}
        />
      ))}
    </section>
  );
}

function One(props: {
  readonly sandbox: Sandbox;
  readonly id: string | undefined;
  readonly shown: boolean;
  readonly onId: (id: string) => void;
  readonly onClose: () => void;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const held = useRef<{ screen: Screen; shell: Shell } | undefined>(undefined);
  const [, drawn] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const screen = openScreen(box.current, `Terminal of ${props.sandbox.id}`, () => search.current?.focus());
    const shell = new Shell(props.sandbox, screen, { id: props.id, onId: props.onId });
    if (props.id !== undefined) props.onId(props.id);
    held.current = { screen, shell };
    drawn(1);
    void shell.run();
    const observer = new ResizeObserver(() => shell.resize());
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      shell.leave();
    };
  }, []);
  useEffect(() => {
    if (!props.shown) return;
    held.current?.shell.resize();
    held.current?.screen.terminal.focus();
  }, [props.shown]);
  const shell = held.current?.shell;
  return (
    <>
      <div
        ref={box}
        class="screen"
        role="tabpanel"
        aria-label="Screen"
        style={props.shown ? {} : { display: 'none' }}
      />
      {props.shown && (
        <div class="bar">
          <span class="state" role="status">
            {shell?.state ?? 'Connecting…'}
          </span>
          <span class="state">{LEAVING}</span>
          <input
            ref={search}
            type="search"
            class="end"
            placeholder="Search"
            aria-label="Search in the terminal"
            onKeyDown={(event) => {
              if (event.key !== 'Enter') return;
              const search = held.current?.screen.search;
              if (event.shiftKey) search?.findPrevious(event.currentTarget.value);
              else search?.findNext(event.currentTarget.value);
            }}
          />
          <button
            type="button"
            onClick={() => {
              held.current?.shell.close();
              props.onClose();
            }}
          >
            End this shell
          </button>
        </div>
      )}
    </>
  );
}

const keyOf = (sandbox: string): string => `arc-terminals-${sandbox}`;

/** A page in another's frame may have no storage; then a reload opens a new terminal. */
function recall(sandbox: string): readonly string[] {
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(keyOf(sandbox)) ?? '[]');
    return Array.isArray(held) ? held.map(String).slice(0, TERMINALS_MAX) : [];
  } catch {
    return [];
  }
}

function remember(sandbox: string, ids: readonly string[]): void {
  try {
    sessionStorage.setItem(keyOf(sandbox), JSON.stringify(ids));
  } catch {
    // As above.
  }
}
