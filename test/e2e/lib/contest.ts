import { connect } from 'node:net';
import { type Client, client, type Sandbox } from '../../../src/sdk/index.ts';
import { hostOf, viaEdge } from './fetch.ts';
import type { LaunchedArc } from './launch.ts';
import { until } from './until.ts';

/** A contest as its organizers would run it: two challenges, a key for each team, and everybody at the same moment. */
export const SECRET = 'contest-secret';
export const WEB = 'web-1';
export const PWN = 'pwn-1';
export const PWN_PORT = 1337;
export const TEAMS = 300;
/** One for each team's raw TCP challenge, below the ports that the kernel gives to clients. */
export const TCP_PORTS = '21000-21399';
const FILL_MS = 540_000;
const ANSWER_MS = 120_000;
const LINE_BYTES_MAX = 4_096;

/** Asks for a word, and gives the flag to who knows it. */
const PWN_SERVER = `import socketserver
class Door(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b'word? ')
        if self.rfile.readline(64).strip() == b'sesame':
            self.wfile.write(open('/flag.txt', 'rb').read() + b'\\n')
        else:
            self.wfile.write(b'no\\n')
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(('0.0.0.0', ${PWN_PORT}), Door).serve_forever()`;

export interface Team {
  readonly name: string;
  readonly client: Client;
}

export interface Taken {
  readonly team: Team;
  readonly web: Sandbox;
  readonly pwn: Sandbox;
}

/** The challenges, warm for so many; the secret of their flags. */
export async function addChallenges({ client }: LaunchedArc, warm: number): Promise<void> {
  await client.secrets.set(SECRET, 'of the organizers');
  const flag = { secret: SECRET, file: '/flag.txt' };
  const rules = { flag, onePerOwner: true, ttl: '2h', ttlMax: '3h', pool: { min: warm, max: warm } };
  const { template: web } = await client.templates.get('whoami');
  await client.templates.add({ ...web, ...rules, name: WEB });
  await client.templates.add({
    ...rules,
    name: PWN,
    root: { builtin: 'python' },
    command: ['/usr/bin/python3', '-ISc', PWN_SERVER],
    tcp: [PWN_PORT],
    ready: { port: PWN_PORT, timeout: '60s' },
    memory: '48MiB',
    disk: '8MiB',
    diskKind: 'memory',
    network: 'none',
  });
}

export async function untilWarm(arc: LaunchedArc, warm: number): Promise<void> {
  for (const name of [WEB, PWN]) {
    const ready = async () => ((await arc.client.templates.get(name)).pool?.ready ?? 0) >= warm;
    await until(`${warm} of ${name} are warm`, ready, FILL_MS);
  }
}

export async function makeTeams(arc: LaunchedArc, count: number): Promise<readonly Team[]> {
  const teams: Team[] = [];
  for (let number = 1; number <= count; number++) {
    const name = `team-${number}`;
    const scopes = ['sandboxes:read', 'sandboxes:write'] as const;
    const { secret } = await arc.client.keys.create({ name, owner: name, scopes: [...scopes] });
    teams.push({ name, client: client({ url: arc.api, key: secret }) });
  }
  return teams;
}

/** Both challenges, asked for at the same moment. */
export async function take(team: Team): Promise<Taken> {
  const [web, pwn] = await Promise.all([
    team.client.sandboxes.create({ template: WEB }),
    team.client.sandboxes.create({ template: PWN }),
  ]);
  return { team, web, pwn };
}

/** It has its instance once that answers. */
export async function served(arc: LaunchedArc, { web, pwn }: Taken): Promise<void> {
  const refused = async () => (await solve(pwn, 'guess')) === 'no';
  await Promise.all([webAnswers(arc, web), until(`${pwn.id} answers`, refused, ANSWER_MS)]);
}

export async function webAnswers(arc: LaunchedArc, web: Sandbox): Promise<void> {
  const look = async () => {
    const { status, body } = await viaEdge(arc.edge, hostOf(web.url));
    return status === 200 && body.includes(web.id);
  };
  await until(`${web.id} answers`, look, ANSWER_MS);
}

/** What the raw TCP challenge says to a word: its flag, or `no`. */
export function solve({ info }: Sandbox, word: string): Promise<string> {
  const { port } = new URL(info.urls[PWN_PORT] ?? 'tcp://nowhere.invalid:9');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let said = '';
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`${info.id} said nothing`)));
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      const asked = said.includes('?');
      said = (said + bytes.toString()).slice(0, LINE_BYTES_MAX);
      if (!asked && said.includes('?')) socket.write(`${word}\n`);
    });
    socket.on('close', () => resolve(said.replace('word? ', '').trim()));
  });
}
