import { copyFile, glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Document, site } from './site.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** What people read; plans and notes of other kinds have no page. */
const DOCUMENTS = ['docs/**/*.md', 'README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const CSS = 'guide.css';

/** Every document that the site is made from, in the order of their names. */
export async function documents(root: string = ROOT): Promise<readonly Document[]> {
  const found: Document[] = [];
  for await (const path of glob([...DOCUMENTS], { cwd: root })) {
    found.push({ path, text: await readFile(join(root, path), 'utf8') });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Writes the site into a folder; any web server can show it. */
export async function writeGuide(folder: string): Promise<void> {
  for (const { path, html } of site(await documents(), CSS)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, html);
  }
  await copyFile(join(import.meta.dirname, CSS), join(folder, CSS));
  for await (const path of glob('docs/images/*.png', { cwd: ROOT })) {
    const file = join(folder, path.replace(/^docs\//, ''));
    await mkdir(dirname(file), { recursive: true });
    await copyFile(join(ROOT, path), file);
  }
}
