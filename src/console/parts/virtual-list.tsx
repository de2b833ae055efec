import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Rows beyond the visible ones that are drawn too, on each side. */
const SPARE = 12;

/** Only the rows that can be seen are in the page, so 20,000 cost no more than fifty. All have one height, px. */
export function VirtualList(props: {
  readonly count: number;
  readonly height: number;
  readonly class?: string;
  readonly role: 'rowgroup' | 'log';
  readonly label: string;
  readonly row: (index: number, style: Record<string, string>) => JSX.Element | undefined;
  /** Stay at the end as rows are added; the reader who scrolls up lets go of it. */
  readonly follow?: boolean;
  readonly onFollow?: (follow: boolean) => void;
  /** Brings this row into sight. */
  readonly at?: number | undefined;
}): JSX.Element {
  const { count, height, follow = false, at } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const measure = () => {
    const { scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    setView((held) =>
      held.top === scrollTop && held.height === clientHeight ? held : { top: scrollTop, height: clientHeight },
    );
  };
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = count * height;
    measure();
  }, [follow, count, height]);
  useLayoutEffect(() => {
    if (at === undefined || !box.current) return;
    const { scrollTop, clientHeight } = box.current;
    const above = at * height < scrollTop;
    if (above || (at + 1) * height > scrollTop + clientHeight) {
      box.current.scrollTop = above ? at * height : (at + 1) * height - clientHeight;
    }
  }, [at, height]);
  const first = Math.max(0, Math.floor(view.top / height) - SPARE);
  const last = Math.min(count, Math.ceil((view.top + view.height) / height) + SPARE);
  const indexes = Array.from({ length: Math.max(0, last - first) }, (_, offset) => first + offset);
  return (
    <div
      ref={box}
      class={`scroll ${props.class ?? ''}`}
      {...{ role: props.role, 'aria-label': props.label }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      onScroll={() => {
        measure();
        if (!box.current || !props.onFollow) return;
        const end = box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < height * 2;
        if (end !== follow) props.onFollow(end);
      }}
    >
      <div role="presentation" style={{ height: `${count * height}px` }}>
        {indexes.map((index) => props.row(index, { top: `${index * height}px` }))}
      </div>
    </div>
  );
}
