import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Sandbox } from '../../sdk/index.ts';
import { after } from '../lib/clock.ts';
import { find } from '../lib/fleet.ts';
import { clockTime, plural } from '../lib/format.ts';
import { LineReader, type LogLine } from '../lib/log-lines.ts';
import { Icon } from './icons.tsx';
import { Labels } from './small.tsx';
import { attempt, errorText } from './toast.tsx';
import { VirtualList } from './virtual-list.tsx';

/** What a sandbox has said: from the beginning, as it comes, each entry once. */

const LINE_PX = 21;
/** Lines kept in the page; the download has all of them. */
const LINES_MAX = 100_000;
const GATHER_MS = 60;
const NAME_CHARS_MAX = 120;

interface Journal {
  readonly lines: readonly LogLine[];
  readonly rest: readonly LogLine[];
  readonly seq: number;
  readonly state: string;
}

function useJournal(sandbox: Sandbox): Journal {
  const [journal, setJournal] = useState<Journal>({ lines: [], rest: [], seq: 0, state: 'Reading…' });
  useEffect(() => {
    const over = new AbortController();
    const reader = new LineReader();
    let lines: LogLine[] = [];
    let seq = 0;
    let cancel: (() => void) | undefined;
    const draw = (state: string) => {
      cancel = undefined;
      if (lines.length > LINES_MAX) lines = lines.slice(-LINES_MAX);
      if (!over.signal.aborted) setJournal({ lines: [...lines], rest: reader.rest(), seq, state });
    };
    const follow = async () => {
      const entries = sandbox.logs({ follow: true, signal: over.signal });
      cancel = after(400, () => draw('Following'));
      for await (const entry of entries) {
        seq = entry.seq;
        for (const line of reader.read(entry)) lines.push(line);
        cancel ??= after(GATHER_MS, () => draw('Following'));
      }
      draw('The log has ended');
    };
    follow().catch((error) => draw(errorText(error)));
    return () => {
      cancel?.();
      over.abort();
    };
  }, [sandbox]);
  return journal;
}

export function Logs({ sandbox }: { readonly sandbox: Sandbox }): JSX.Element {
  const journal = useJournal(sandbox);
  const [follow, setFollow] = useState(true);
  const [text, setText] = useState('');
  const [hit, setHit] = useState(0);
  const lines = useMemo(() => [...journal.lines, ...journal.rest], [journal]);
  const hits = useMemo(() => {
    const wanted = text.toLowerCase();
    return wanted === '' ? [] : lines.flatMap((line, at) => (line.text.toLowerCase().includes(wanted) ? [at] : []));
  }, [lines, text]);
  const at = hits[((hit % hits.length) + hits.length) % hits.length];
  const input = useRef<HTMLInputElement>(null);
  return (
    <section class="logbox card" aria-label="Logs" data-seq={journal.seq} data-lines={lines.length}>
      <div class="filters">
        <div class="search">
          <Icon name="search" />
          <input
            ref={input}
            type="search"
            placeholder="Search the log"
            aria-label="Search the log"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setHit(0);
              if (event.currentTarget.value !== '') setFollow(false);
            }}
            onKeyDown={(event) => {
              if (event.key === 'Enter') setHit(hit + (event.shiftKey ? -1 : 1));
            }}
          />
        </div>
        {text !== '' && <span class="muted nowrap">{plural(hits.length, 'line')}</span>}
        <label class="check nowrap">
          <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />
          Follow
        </label>
        <button type="button" onClick={() => void attempt(() => download(sandbox))}>
          <Icon name="down" /> Download
        </button>
      </div>
      {lines.length === 0 ? (
        <div class="empty">It has said nothing yet.</div>
      ) : (
        <VirtualList
          class="log"
          label="Lines"
          role="log"
          count={lines.length}
          height={LINE_PX}
          follow={follow}
          onFollow={setFollow}
          at={follow ? undefined : at}
          row={(index, style) => <Line key={index} line={lines[index]} found={index === at} style={style} />}
        />
      )}
      <p class="small muted filters" role="status">
        {journal.state} · {plural(lines.length, 'line')} <Labels labels={labelsIn(sandbox)} />
      </p>
    </section>
  );
}

function Line(props: { line: LogLine | undefined; found: boolean; style: Record<string, string> }): JSX.Element {
  const { line, found, style } = props;
  return (
    <div class={`line ${line?.stream ?? ''} ${found ? 'found' : ''}`} style={style} data-seq={line?.seq}>
      <time dateTime={line?.time}>{line && clockTime(line.time)}</time>
      <span>{line?.text}</span>
    </div>
  );
}

/** All that the server keeps, as it was said: bytes and not what the page makes of them. */
async function download(sandbox: Sandbox): Promise<void> {
  const parts: BlobPart[] = [];
  for await (const { data, encoding, stream } of sandbox.logs()) {
    if (stream === 'arc') continue;
    parts.push(encoding === 'utf8' ? data : Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
  }
  save(new Blob(parts, { type: 'text/plain' }), fileName(sandbox));
}

/** The page of a link may not know them. */
const labelsIn = (sandbox: Sandbox): Readonly<Record<string, string>> => find(sandbox.id)?.labels ?? {};

/** Whose log it is can be seen among many: id and labels, in characters that every file system takes. */
function fileName(sandbox: Sandbox): string {
  const labels = Object.entries(labelsIn(sandbox)).map(([key, value]) => `${key}=${value}`);
  return `${[sandbox.id, ...labels]
    .join(' ')
    .replaceAll(/[^A-Za-z0-9=_. -]/g, '_')
    .slice(0, NAME_CHARS_MAX)}.log`;
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  after(10_000, () => URL.revokeObjectURL(link.href));
}
