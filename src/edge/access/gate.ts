import { ArcError } from '../../contract/errors.ts';
import { checkAccess, needsToken } from '../../domain/access-token.ts';
import type { Clock } from '../../kit/clock.ts';
import { prefersHtml } from '../accept.ts';
import type { ClientRequest, ClientResponse } from '../front/client.ts';
import type { Destination } from '../resolve.ts';
import type { Route } from '../router.ts';
import { fromQuery, localPath, placeOf, setCookie, tokensOf } from './credentials.ts';
import { readForm } from './form.ts';
import { SIGN_IN_PATH, signInPage, signInPolicy } from './page.ts';

export interface Asked {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly destination: Destination;
  readonly route: Route;
  readonly port: number;
  /** An upgrade: there is nobody to show a page to. */
  readonly upgrade: boolean;
}

/** For the form of a sign-in to arrive. */
const FORM_MS = 10_000;

/** What the gate says: go on, with the path that the sandbox may see; or it has answered itself. */
export type Verdict = { readonly path: string } | 'answered';

/** Lets clients through to sandboxes that ask for a token, or helps them to sign in. Without a key nobody gets through. */
export class Gate {
  readonly #key: Uint8Array | undefined;
  readonly #clock: Clock;

  constructor(key: Uint8Array | undefined, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  /** Whether this token opens this port. */
  opens(route: Route, port: number, token: string): boolean {
    return !needsToken(route.access, port) || this.#until(route.id, port, token) !== undefined;
  }

  /** Throws `access_token_required`. */
  decide(asked: Asked): Verdict {
    const { request, destination, route, port } = asked;
    if (route.access === undefined) return { path: destination.path };
    const { token, path } = fromQuery(destination.path);
    if (!needsToken(route.access, port)) return { path };
    const until = token === undefined ? undefined : this.#until(route.id, port, token);
    const readOnly = request.method === 'GET' || request.method === 'HEAD';
    if (token !== undefined && until !== undefined && readOnly && !asked.upgrade) {
      this.#welcome(asked, token, until, placeOf(destination, path));
      return 'answered';
    }
    const brought = tokensOf(request, destination.prefix);
    if (until !== undefined || brought.some((one) => this.#until(route.id, port, one) !== undefined)) return { path };
    if (request.method === 'POST' && destination.path === SIGN_IN_PATH) {
      this.#signIn(asked);
      return 'answered';
    }
    if (asked.upgrade || !readOnly || !prefersHtml(request.headers.accept)) throw required(route.id);
    this.#page(asked, path, token !== undefined);
    return 'answered';
  }

  #until(id: string, port: number, token: string): number | undefined {
    return this.#key && checkAccess(this.#key, token, { id, port, now: this.#clock.now() });
  }

  #signIn(asked: Asked): void {
    const { request, response, destination, route, port } = asked;
    const late = { clock: this.#clock, ms: FORM_MS, giveUp: () => response.destroy() };
    readForm(request, late, (form) => {
      if (response.destroyed) return;
      const next = localPath(form?.get('next') ?? null);
      const token = form?.get('token')?.trim() ?? '';
      const until = this.#until(route.id, port, token);
      if (until === undefined) this.#page(asked, next, true);
      else this.#welcome(asked, token, until, placeOf(destination, next));
    });
  }

  #welcome({ request, response, destination }: Asked, token: string, until: number, place: string): void {
    const cookie = setCookie(request, destination.prefix, token, (until - this.#clock.now()) / 1_000);
    response.writeHead(303, 'See Other', [
      ...['Location', place, 'Set-Cookie', cookie, 'Content-Length', '0', 'Cache-Control', 'no-store'],
      ...['Referrer-Policy', 'no-referrer'],
    ]);
    response.end();
  }

  #page({ request, response, destination, route }: Asked, next: string, refused: boolean): void {
    const body = Buffer.from(signInPage({ id: route.id, prefix: destination.prefix, next, refused }));
    response.writeHead(401, 'Unauthorized', [
      ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length)],
      ...['Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff', 'WWW-Authenticate', 'Arc-Token'],
      ...['Arc-Error', 'access_token_required', 'Content-Security-Policy', signInPolicy],
      ...['X-Frame-Options', 'DENY', 'Referrer-Policy', 'no-referrer'],
    ]);
    if (request.method === 'HEAD') response.end();
    else response.end(body);
  }
}

const required = (id: string) =>
  new ArcError('access_token_required', `The sandbox ${id} is for who has a token or link to it.`, {
    hint: 'Ask its owner, who makes one with `arc access ID`; programs send the token in the header `Arc-Token`.',
    extra: { sandbox: id },
  });
