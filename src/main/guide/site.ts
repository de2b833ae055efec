import { posix } from 'node:path';
import { Marked } from 'marked';

/** The guides as web pages, made from the documents of the project. Nothing is asked of any other place, and nothing is a script. */

export interface Document {
  /** Beneath the project, such as `docs/guides/pools.md`. */
  readonly path: string;
  readonly text: string;
}

export interface Page {
  /** Beneath the site, such as `guides/pools.html`. */
  readonly path: string;
  readonly html: string;
}

/** What the site begins with. */
const FIRST = 'README.md';
/** The parts of the navigation: whatever lies in such a place is found there. */
const PARTS: readonly (readonly [name: string, place: RegExp])[] = [
  ['Begin', /^README\.md$/],
  ['Guides', /^docs\/guides\//],
  ['Reference', /^docs\/reference\//],
  ['The project', /^[A-Z]+\.md$/],
];

/** @param css the name of its style beside the first page. */
export function site(documents: readonly Document[], css: string): readonly Page[] {
  const known = new Set(documents.map(({ path }) => path));
  const parts = navigation(documents);
  return documents.map(({ path, text }) => {
    const at = addressOf(path);
    const up = '../'.repeat(at.split('/').length - 1);
    const nav = parts.map(({ name, links }) => {
      const items = links.map((link) => {
        const here = link.path === path ? ' aria-current="page"' : '';
        return `<li><a href="${posix.relative(posix.dirname(at), addressOf(link.path))}"${here}>${escaped(link.name)}</a></li>`;
      });
      return `<h2>${name}</h2><ul>${items.join('')}</ul>`;
    });
    return {
      path: at,
      html: frame({ title: titleOf(text), nav: nav.join(''), body: bodyOf(path, text, known), up, css }),
    };
  });
}

/** `docs/guides/pools.md` is `guides/pools.html`; documents of the project itself stand beside the first page. */
export function addressOf(path: string): string {
  if (path === FIRST) return 'index.html';
  return path.replace(/^docs\//, '').replace(/\.md$/, '.html');
}

interface Part {
  readonly name: string;
  readonly links: readonly { readonly name: string; readonly path: string }[];
}

/** Each document in the first part that it fits. */
function navigation(documents: readonly Document[]): readonly Part[] {
  const placed = documents.map((document) => ({
    document,
    part: PARTS.find(([, place]) => place.test(document.path)),
  }));
  return PARTS.map((part) => ({
    name: part[0],
    links: placed
      .filter((one) => one.part === part)
      .map(({ document: { path, text } }) => ({
        path,
        name: path === FIRST ? 'First steps' : shortened(titleOf(text)),
      })),
  })).filter(({ links }) => links.length > 0);
}

function shortened(title: string): string {
  return title.split(/[:,]/, 1)[0] ?? title;
}

function titleOf(text: string): string {
  return /^# (.+)$/m.exec(text)?.[1]?.replaceAll('`', '') ?? 'Arc';
}

function bodyOf(path: string, text: string, known: ReadonlySet<string>): string {
  const here = posix.dirname(addressOf(path));
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text: raw }) {
        return `<h${depth} id="${slug(raw)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        if (/^https?:/.test(href)) return `<a href="${escaped(href)}" rel="noreferrer">${inner}</a>`;
        const [to = '', part] = href.split('#');
        const anchor = part === undefined ? '' : `#${part}`;
        if (to === '') return `<a href="${escaped(anchor)}">${inner}</a>`;
        const target = posix.join(posix.dirname(path), to);
        // The sources of the project are not part of the site: their names are.
        if (!known.has(target)) return inner;
        return `<a href="${escaped(posix.relative(here, addressOf(target)) + anchor)}">${inner}</a>`;
      },
      table(token) {
        const cells = (tag: 'th' | 'td', row: typeof token.header) =>
          `<tr>${row.map((cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join('')}</tr>`;
        const rows = token.rows.map((row) => cells('td', row)).join('\n');
        // Wider than a phone, so that it is the table that moves and not the page; whoever has no mouse can move it, too.
        return `<div class="table" tabindex="0"><table><thead>${cells('th', token.header)}</thead><tbody>${rows}</tbody></table></div>\n`;
      },
      code: ({ text: code }) => `<pre tabindex="0"><code>${escaped(code)}</code></pre>\n`,
    },
  });
  return String(marked.parse(text, { async: false }));
}

/** As the well-known code hosts make them, so that links with a part work in both places. */
function slug(heading: string): string {
  const plain = heading.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').replace(/<[^>]+>/g, '');
  return plain
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function frame(page: { title: string; nav: string; body: string; up: string; css: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(page.title)} · Arc</title>
<link rel="stylesheet" href="${page.up}${page.css}">
</head>
<body>
<a class="skip" href="#main">To the text</a>
<nav aria-label="Guides"><a class="brand" href="${page.up}index.html">Arc</a>${page.nav}</nav>
<main id="main">
${page.body}</main>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
