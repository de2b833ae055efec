import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { Template } from '../../../src/contract/schemas/template.ts';
import { parseTemplate, templateFaults } from '../../../src/domain/template-document.ts';
import { BUILTIN_NAMES } from '../../../src/host/builtins/create-builtins.ts';
import { builtinTemplates } from '../../../src/host/builtins/templates.ts';
import { parseReference } from '../../../src/host/images/reference.ts';

const root = join(import.meta.dirname, '../../..');

test('each example is a valid template, named like its file', () => {
  const files = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.yaml'));
  assert.ok(files.length >= 3);
  for (const file of files) {
    const template = parseTemplate(readFileSync(join(root, 'examples', file), 'utf8'), 'yaml');
    assert.equal(`${template.name}.yaml`, file);
    assert.ok(Compile(Template).Check(template));
    if ('image' in template.root) parseReference(template.root.image);
    if ('builtin' in template.root) assert.ok(BUILTIN_NAMES.includes(template.root.builtin));
  }
});

test('the builtin templates are valid, and each root has one', () => {
  const templates = builtinTemplates();
  for (const template of templates) {
    assert.deepEqual(templateFaults(template), []);
    assert.ok(Compile(Template).Check(template), template.name);
    assert.deepEqual(template.root, { builtin: template.name });
  }
  assert.deepEqual(templates.map(({ name }) => name).sort(), [...BUILTIN_NAMES].sort());
});

test('the YAML in the guide to templates is valid', () => {
  const guide = readFileSync(join(root, 'docs/guides/templates.md'), 'utf8');
  const [, yaml = ''] = /```yaml\n(name:[\s\S]*?)```/.exec(guide) ?? [];
  assert.equal(parseTemplate(yaml, 'yaml').name, 'static-site');
});
