import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_TEMPLATES, checkLoosening, mayLoosen } from './loosening.ts';

test('a policy names templates, or how their names begin', () => {
  assert.ok(mayLoosen(ALL_TEMPLATES, 'juice'));
  assert.ok(mayLoosen(['juice', 'ctf-*'], 'juice') && mayLoosen(['juice', 'ctf-*'], 'ctf-web'));
  for (const name of ['juice2', 'ctf', 'my-ctf-web']) assert.equal(mayLoosen(['juice', 'ctf-*'], name), false, name);
  assert.equal(mayLoosen([], 'juice'), false);
});

test('only what asks for more needs to be named', () => {
  checkLoosening([], { template: 'juice', capabilities: [] });
  checkLoosening(['juice'], { template: 'juice', capabilities: ['SETUID'] });
  assert.throws(() => checkLoosening(['other'], { template: 'juice', capabilities: ['SETUID'] }), {
    code: 'forbidden',
  });
});
