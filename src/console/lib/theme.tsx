import { signal } from '@preact/signals';
import type { JSX } from 'preact';

/** Light, dark, or as the system says; kept for this browser. */

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const KEY = 'arc-theme';

function kept(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';
  } catch {
    return 'system';
  }
}

const theme = signal(kept());

function show(): void {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}
show();

export function ThemeButton(): JSX.Element {
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => {
        theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system';
        show();
        try {
          localStorage.setItem(KEY, theme.value);
        } catch {
          // Without storage it holds until the page is left.
        }
      }}
    >
      Theme: {theme}
    </button>
  );
}
