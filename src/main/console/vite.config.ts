import { join } from 'node:path';
import { defineConfig } from 'vite';

/** The build of the console: two pages, everything they need beside them, names that change with their content. */
const root = join(import.meta.dirname, '../../console');

export default defineConfig({
  root,
  base: '/console/',
  logLevel: 'warn',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    emptyOutDir: true,
    target: 'es2024',
    // The policy of the pages allows no inline script and no `data:` one.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { input: [join(root, 'index.html'), join(root, 'person.html')] },
  },
});
