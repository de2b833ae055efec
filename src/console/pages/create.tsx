import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { CreateRequest, TemplateView } from '../../sdk/index.ts';
import { BASE, go, place } from '../lib/router.ts';
import { type Field, fieldsOf, readField, type Schema } from '../lib/schema-form.ts';
import { arc } from '../lib/session.ts';
import { attempt, errorText } from '../parts/toast.tsx';

/** A sandbox from a template. The form comes from the API's own description, so it knows all that the API takes. */

/** What most people set; the rest stands behind "More". */
const FIRST = ['template', 'labels', 'ttl', 'isolation'] as const;

interface Known {
  readonly fields: readonly Field[];
  readonly templates: readonly TemplateView[];
}

async function learn(): Promise<Known> {
  const response = await fetch('/openapi.json');
  const { components } = (await response.json()) as { components: { schemas: Record<string, Schema> } };
  const schema = components.schemas.CreateRequest;
  if (!schema) throw new Error('The server does not say what it takes');
  return { fields: fieldsOf(schema, components.schemas), templates: await arc().templates.list() };
}

export function Create(): JSX.Element {
  const [known, setKnown] = useState<Known>();
  const [written, setWritten] = useState<Readonly<Record<string, string>>>({
    template: place.value.query.get('template') ?? '',
  });
  const [faults, setFaults] = useState<Readonly<Record<string, string>>>({});
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => void attempt(async () => setKnown(await learn())), []);
  if (!known) return <main class="page muted">Reading…</main>;
  const template = known.templates.find(({ name }) => name === written.template);
  const submit = async () => {
    const { request, found } = readAll(known.fields, written);
    setFaults(found);
    setProblem('');
    if (Object.keys(found).length > 0) return;
    setBusy(true);
    try {
      const { id } = await arc().sandboxes.create(request, { wait: '0' });
      go(`/sandboxes/${id}`);
    } catch (error) {
      setProblem(errorText(error));
      setBusy(false);
    }
  };
  const input = (field: Field) => (
    <Input
      key={field.name}
      field={
        field.name === 'template'
          ? { ...field, kind: 'choice', choices: known.templates.map(({ name }) => name) }
          : field
      }
      value={written[field.name] ?? ''}
      fault={faults[field.name]}
      usual={usualOf(template, field.name)}
      onInput={(value) => setWritten({ ...written, [field.name]: value })}
    />
  );
  const first = FIRST.flatMap((name) => known.fields.find((field) => field.name === name) ?? []);
  const rest = known.fields.filter((field) => !first.includes(field));
  return (
    <main class="page" id="main" style={{ maxWidth: '820px' }}>
      <div class="head">
        <h1>Create a sandbox</h1>
      </div>
      <form
        class="card pad stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {template && (
          <p class="note">{template.template.description ?? `Runs ${template.effective.command.join(' ')}`}</p>
        )}
        <div class="form">{first.map(input)}</div>
        <details open={rest.some(({ name }) => faults[name] !== undefined)}>
          <summary>More: command, environment, limits</summary>
          <div class="form">{rest.map(input)}</div>
        </details>
        {problem && (
          <p class="note bad" role="alert">
            {problem}
          </p>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={busy}>
            {busy ? 'Creating…' : 'Create'}
          </button>
          <a class="button quiet" href={`${BASE}/`}>
            Cancel
          </a>
        </div>
      </form>
    </main>
  );
}

function readAll(fields: readonly Field[], written: Readonly<Record<string, string>>) {
  const request: Record<string, unknown> = {};
  const found: Record<string, string> = {};
  for (const field of fields) {
    const read = readField(field, written[field.name] ?? '');
    if ('fault' in read) found[field.name] = `${field.label} ${read.fault}`;
    else if (read.value !== undefined) request[field.name] = read.value;
  }
  return { request: request as CreateRequest, found };
}

/** What it is when nothing is written, from the template as the server resolved it. */
function usualOf(template: TemplateView | undefined, name: string): string {
  const effective: Record<string, unknown> = template?.effective ?? {};
  const value = effective[name];
  if (value === undefined) return '';
  return Array.isArray(value) ? value.join(' ') : String(value);
}

function Input(props: {
  readonly field: Field;
  readonly value: string;
  readonly usual: string;
  readonly fault: string | undefined;
  readonly onInput: (value: string) => void;
}): JSX.Element {
  const { field, value, usual, fault } = props;
  const id = `field-${field.name}`;
  const long = field.kind === 'words' || field.kind === 'pairs' || field.kind === 'document';
  const hint = [field.hint, usual === '' ? '' : `Else ${usual}`].filter(Boolean).join('. ');
  const common = {
    ...{ id, value, 'aria-describedby': `${id}-hint` },
    onInput: (event: { currentTarget: { value: string } }) => props.onInput(event.currentTarget.value),
    ...(fault === undefined ? {} : { 'aria-invalid': true as const }),
  };
  const choices = field.kind === 'switch' ? ['true', 'false'] : field.choices;
  return (
    <div class={`field ${long ? 'wide' : ''}`}>
      <label for={id}>
        {field.label}
        {field.required && <span class="muted"> (needed)</span>}
      </label>
      {choices.length > 0 ? (
        <select {...common}>
          <option value="">
            {field.required ? 'Choose…' : usual === '' ? 'As the template says' : `${usual} (template)`}
          </option>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      ) : long ? (
        <textarea {...common} rows={3} spellcheck={false} />
      ) : (
        <input {...common} type="text" inputMode={field.kind === 'text' ? 'text' : 'decimal'} placeholder={usual} />
      )}
      <small id={`${id}-hint`}>{hint}</small>
      {fault && (
        <span class="fault" role="alert">
          {fault}
        </span>
      )}
    </div>
  );
}
