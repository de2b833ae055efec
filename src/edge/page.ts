import { type ArcError, ERRORS, type Problem, toProblem } from '../contract/errors.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** Nothing on the page is loaded from anywhere, and no script runs. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE = `:root{color-scheme:light dark;--ink:#16181d;--soft:#5c6370;--line:#d9dce2;--back:#f6f7f9;--card:#fff;--mark:#b4421f}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--soft:#9aa1ad;--line:#2c313a;--back:#111318;--card:#191c22;--mark:#f0875f}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);
color:var(--ink);font:1rem/1.55 system-ui,sans-serif}main{max-width:38rem;width:100%;background:var(--card);border:1px solid
var(--line);border-radius:12px;padding:2rem}small{color:var(--mark);font-weight:600;letter-spacing:.04em}h1{margin:.25rem 0
1rem;font-size:1.5rem;line-height:1.25}p{margin:.5rem 0;overflow-wrap:anywhere}.hint{color:var(--soft)}footer{margin-top:1.5rem;
padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}code{font-family:ui-monospace,monospace}
input,button{font:inherit;color:inherit;padding:.5rem .75rem;border:1px solid var(--line);border-radius:8px;background:var(--back)}
input{width:100%}button{cursor:pointer;font-weight:600}`;

export interface Page {
  readonly title: string;
  /** A few characters above it. */
  readonly mark: string;
  /** HTML. */
  readonly body: string;
  readonly foot: string;
  /** HTML for the head. */
  readonly head?: string;
}

/** A whole page for a person. */
export function pageOf({ title, mark, body, foot, head = '' }: Page): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">${head}<title>${mark} ${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main><small>${mark}</small><h1>${escapeHtml(title)}</h1>${body}<footer>Arc, <code>${foot}</code></footer></main></body></html>
`;
}

/** @param refreshS seconds after which the browser tries again; 0: never */
export function errorPage(error: ArcError, refreshS: number): string {
  const { status, title } = ERRORS[error.code];
  const again = refreshS > 0 ? '<p class="hint" role="status">This page tries again by itself.</p>' : '';
  return pageOf({
    ...{ title, mark: String(status), foot: error.code },
    head: refreshS > 0 ? `<meta http-equiv="refresh" content="${refreshS}">` : '',
    body: `<p>${escapeHtml(error.message)}</p>
<p class="hint">${escapeHtml(error.hint)}</p>${again}`,
  });
}

export function errorDocument(error: ArcError): string {
  const problem: Problem = toProblem(error);
  return `${JSON.stringify(problem)}\n`;
}
