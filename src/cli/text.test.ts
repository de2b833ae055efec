import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { roughDuration, roughSize, until } from './amounts.ts';
import { clean, TerminalFilter } from './clean.ts';
import { ScreenModes } from './screen-modes.ts';
import { editDistance, nearest } from './suggest.ts';
import { textFields, textTable } from './text-table.ts';

test('a table lines its columns up and has no spaces at the end of lines', () => {
  const text = textTable(
    ['ID', 'STATE'],
    [
      ['sb-aaaa', 'running'],
      ['sb-b', ''],
    ],
  );
  assert.equal(text, 'ID       STATE\nsb-aaaa  running\nsb-b     -\n');
});

test('what a sandbox says can not speak to the terminal from a table', () => {
  const evil = 'a\u001b]0;title\u0007\u009b31m\r\nfake  row\u202e';
  for (const text of [textTable(['X'], [[evil]]), textFields([['x', evil]]), clean(evil)]) {
    assert.doesNotMatch(text.replace(/\n/g, ''), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  }
  assert.equal(textTable(['X'], [[evil]]).split('\n').length, 3);
});

test('logs on a terminal keep colours and line breaks and show every other control as a mark', () => {
  const filter = new TerminalFilter();
  const out = filter.push('\u001b[1;31mred\u001b[0m\tx\r\n\u001b]52;c;ZXZpbA==\u0007\u001b[2J\u001b[H\u009b2J\u0008');
  assert.equal(out, '\u001b[1;31mred\u001b[0m\tx\r\n\u241b]52;c;ZXZpbA==\u2407\u241b[2J\u241b[H\ufffd2J\u2408');
  assert.equal(filter.end(), '\u001b[0m');
});

test('a colour that is cut between two pieces is still a colour, and an unfinished one is never let through', () => {
  const filter = new TerminalFilter();
  assert.equal(filter.push('a\u001b'), 'a');
  assert.equal(filter.push('[3'), '');
  assert.equal(filter.push('1mb'), '\u001b[31mb');
  assert.equal(filter.push('\u001b[3'), '');
  assert.equal(filter.end(), '\u241b[3\u001b[0m');
});

test('however a stream is cut, the filter gives the same and lets no escape but colours through', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('\u001b', '\u001b[', '\u001b[31m', '\u001b[2J', ';', '\u009b', 'm', '1'),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const cut = new TerminalFilter();
      const whole = new TerminalFilter();
      const inPieces = pieces.map((one) => cut.push(one)).join('') + cut.end();
      assert.equal(inPieces, whole.push(pieces.join('')) + whole.end());
      assert.doesNotMatch(
        inPieces.replace(/\u001b\[[0-9;:]*m/g, ''),
        /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/,
      );
    }),
  );
});

test('a full-screen program that is cut off has its screen, mouse and cursor set back', () => {
  const modes = new ScreenModes();
  const see = (text: string) => modes.see(Buffer.from(text));
  see('\u001b[?1049h\u001b[?25');
  see('l\u001b[?1000;1006h\u001b=');
  assert.equal(modes.undo(), '\u001b>\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?1006l\u001b[0m');
  see('\u001b[?1049l\u001b[?25h\u001b[?1000;1006l\u001b>');
  assert.equal(modes.undo(), '');
});

test('a slip of the fingers finds the word that was meant, and nothing like it finds nothing', () => {
  const words = ['create', 'restart', 'reset', 'template', 'ls', 'logs'];
  assert.equal(nearest('crate', words), 'create');
  assert.equal(nearest('tempalte', words), 'template');
  assert.equal(nearest('rest', words), 'restart');
  assert.equal(nearest('lgos', words), 'logs');
  assert.equal(nearest('frobnicate', words), undefined);
  assert.equal(nearest('x'.repeat(10_000), words), undefined);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('times and sizes are short', () => {
  assert.equal(roughDuration(5_430_000), '1h30m');
  assert.equal(roughDuration(0), '0s');
  assert.equal(roughDuration(90_061_000), '1d1h');
  assert.equal(roughDuration(86_405_000), '1d');
  assert.equal(roughSize(1536), '1.5KiB');
  assert.equal(roughSize(67_108_864), '64MiB');
  assert.equal(roughSize(512), '512B');
  assert.equal(until('1970-01-01T00:00:00Z', 5), 'now');
});
