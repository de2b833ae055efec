import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { ArcError } from '../../sdk/index.ts';
import { after } from '../lib/clock.ts';
import { noteError } from '../lib/session.ts';

/** Short messages in the corner. Faults stay until they are closed; what went well goes by itself. */

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

const SHOWN_MS = 5_000;
const SHOWN_MAX = 4;
const toasts = signal<readonly Toast[]>([]);
let next = 1;

function show(text: string, bad: boolean): void {
  const id = next++;
  toasts.value = [...toasts.value, { id, text, bad }].slice(-SHOWN_MAX);
  if (!bad) after(SHOWN_MS, () => close(id));
}

const close = (id: number): void => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
};

export const say = (text: string): void => show(text, false);

export function sayError(error: unknown): void {
  noteError(error);
  show(errorText(error), true);
}

/** What happened and what to do about it, in the words of the server. */
export function errorText(error: unknown): string {
  if (error instanceof ArcError) return error.hint ? `${error.message}. ${error.hint}` : error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Runs it and tells what went wrong. @returns whether nothing did. */
export async function attempt(act: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await act();
    if (done) say(done);
    return true;
  } catch (error) {
    sayError(error);
    return false;
  }
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, bad }) => (
        <div class={`toast fade ${bad ? 'bad' : ''}`} key={id}>
          <span>{text}</span>
          <button type="button" class="end" aria-label="Close this message" onClick={() => close(id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
