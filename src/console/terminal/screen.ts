import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import { after } from '../lib/clock.ts';
import '@xterm/xterm/css/xterm.css';

/**
 * The screen of one terminal. What a sandbox prints can draw on it and nothing else: titles are not taken, the clipboard
 * can't be reached (OSC 52 is not handled), and links open only to the web, in a page that knows nothing of this one.
 */
export interface Screen {
  readonly terminal: Terminal;
  readonly search: SearchAddon;
  /** Did a person act just now? What the screen says by itself answers what the program asked it. */
  isTyping(): boolean;
  fit(): { readonly cols: number; readonly rows: number };
  dispose(): void;
}

const SCROLLBACK_LINES = 5_000;

export const LEAVING = 'Shift+F6 leaves the terminal.';

/** @param onLeave the person wants the focus elsewhere. */
export function openScreen(box: HTMLElement, label: string, onLeave: () => void): Screen {
  const terminal = new Terminal({
    cursorBlink: true,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono'),
    fontSize: 13,
    lineHeight: 1.15,
    scrollback: SCROLLBACK_LINES,
    theme: { background: '#0d1117', foreground: '#e6edf3', cursor: '#86abff', selectionBackground: '#3a5488' },
    linkHandler: { activate: (_, uri) => openLink(uri), allowNonHttpProtocols: false },
    screenReaderMode: false,
  });
  const fitting = new FitAddon();
  const search = new SearchAddon();
  terminal.loadAddon(fitting);
  terminal.loadAddon(search);
  terminal.loadAddon(new WebLinksAddon((_, uri) => openLink(uri)));
  // Handled by nothing, also should a later version of the terminal begin to: titles, the clipboard, notifications.
  for (const command of [0, 1, 2, 9, 52, 777, 1337]) terminal.parser.registerOscHandler(command, () => true);
  terminal.open(box);
  terminal.textarea?.setAttribute('aria-label', `${label}. ${LEAVING}`);
  terminal.textarea?.setAttribute('aria-keyshortcuts', 'Shift+F6');
  // Tab belongs to the shell, so that there must be another way out for who has no mouse.
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key !== 'F6' || !event.shiftKey) return true;
    if (event.type === 'keydown') onLeave();
    return false;
  });
  let acted = false;
  for (const event of ['keydown', 'input', 'paste', 'compositionend'] as const) {
    const note = () => {
      acted = true;
      after(0, () => {
        acted = false;
      });
    };
    box.addEventListener(event, note, { capture: true });
  }
  return {
    isTyping: () => acted,
    terminal,
    search,
    fit() {
      // While it is hidden it has no size, and keeps the one it had.
      if (box.clientWidth > 0 && box.clientHeight > 0) fitting.fit();
      return { cols: Math.max(2, terminal.cols), rows: Math.max(2, terminal.rows) };
    },
    dispose: () => terminal.dispose(),
  };
}

function openLink(text: string): void {
  if (!URL.canParse(text)) return;
  const { protocol, href } = new URL(text);
  if (protocol === 'http:' || protocol === 'https:') window.open(href, '_blank', 'noopener,noreferrer');
}
