import { ArcError } from '../contract/errors.ts';
import type { AddTemplateRequest, PruneResult, TemplateView } from '../contract/schemas/admin.ts';
import type { Template } from '../contract/schemas/template.ts';
import type { Context } from './context.ts';
import { fromProblem } from './problem.ts';

export interface Progress {
  readonly layer: string;
  readonly done: number;
  readonly total?: number;
  readonly phase: string;
}

export interface AddOptions {
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export class Templates {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async list(): Promise<readonly TemplateView[]> {
    return (await this.#context.http.json<{ items: TemplateView[] }>('GET', '/v1/templates')).items;
  }

  get(name: string): Promise<TemplateView> {
    return this.#context.http.json('GET', `/v1/templates/${encodeURIComponent(name)}`);
  }

  /** Takes its root in first: pulls the image, or reads the folder or tar on the server. */
  async add(template: Template, options: AddOptions = {}): Promise<TemplateView> {
    const { credentials, onProgress, signal } = options;
    const json: AddTemplateRequest = { template, ...(credentials ? { credentials } : {}) };
    let added: TemplateView | undefined;
    for await (const line of this.#context.http.lines<Record<string, unknown>>('POST', '/v1/templates', {
      json,
      signal,
    })) {
      if (line.type === 'error') throw fromProblem(line.problem as Record<string, unknown>);
      if (line.type === 'progress') onProgress?.(line as unknown as Progress);
      else if (line.type === 'template') added = line.template as TemplateView;
    }
    if (!added) throw new ArcError('not_connected', 'the answer ended before the template was added');
    return added;
  }

  async remove(name: string): Promise<void> {
    await this.#context.http.json('DELETE', `/v1/templates/${encodeURIComponent(name)}`);
  }

  /** Removes the layers that no template and no sandbox uses. */
  prune(): Promise<PruneResult> {
    return this.#context.http.json('POST', '/v1/templates/prune');
  }
}
