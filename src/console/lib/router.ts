import { signal } from '@preact/signals';

/** Which page is shown, from the address; links are plain links. */

export const BASE = '/console';

export interface Place {
  /** Beneath `/console`, such as `/sandboxes/sb-…`. */
  readonly path: string;
  readonly query: URLSearchParams;
}

const placeOf = ({ pathname, search }: URL | Location): Place => ({
  path: pathname.slice(BASE.length).replace(/\/$/, '') || '/',
  query: new URLSearchParams(search),
});

export const place = signal(placeOf(location));

export function go(path: string, options: { readonly replace?: boolean } = {}): void {
  history[options.replace ? 'replaceState' : 'pushState'](null, '', BASE + path);
  // Not from `location`: browsers leave it as it was while it changes at every keystroke of somebody quick.
  place.value = placeOf(new URL(BASE + path, location.href));
  if (!options.replace) window.scrollTo(0, 0);
}

addEventListener('popstate', () => {
  place.value = placeOf(location);
});

/** A click on a link of ours changes the page without loading it again; with a modifier it stays the browser's. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname !== BASE && !link.pathname.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  go(link.pathname.slice(BASE.length) + link.search);
});
