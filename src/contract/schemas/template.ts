import { type Static, Type } from 'typebox';
import { DAYS } from '../spec.ts';
import { LEVELS } from '../states.ts';
import { DURATION_PATTERN, SIZE_PATTERN } from '../units.ts';
import { SecretName } from './secret.ts';

/** Shapes as people write them. What code reads is `ResolvedSpec` in `contract/spec.ts`. */

const closed = { additionalProperties: false } as const;

export const NAME_PATTERN = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
export const LABEL_KEY_PATTERN = '^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,61}[a-zA-Z0-9])?$';
export const LABEL_VALUE_PATTERN = '^[ -~]{0,128}$';
export const ENV_KEY_PATTERN = '^[a-zA-Z_][a-zA-Z0-9_]{0,127}$';

export const DurationText = Type.String({ pattern: DURATION_PATTERN, examples: ['30m'] });
export const SizeText = Type.String({ pattern: SIZE_PATTERN, examples: ['64MiB'] });
export const LevelName = Type.Enum(LEVELS);
export const PortNumber = Type.Integer({ minimum: 1, maximum: 65_535 });

export const Labels = Type.Record(
  Type.String({ pattern: LABEL_KEY_PATTERN }),
  Type.String({ pattern: LABEL_VALUE_PATTERN }),
  { maxProperties: 32, ...closed },
);
export const Env = Type.Record(Type.String({ pattern: ENV_KEY_PATTERN }), Type.String({ maxLength: 32_768 }), {
  maxProperties: 256,
  ...closed,
});
export const Command = Type.Array(Type.String({ maxLength: 65_536 }), { minItems: 1, maxItems: 256 });

/** Capabilities a template may ask for inside its own user namespace. */
export const TEMPLATE_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
] as const;

export const Root = Type.Union([
  Type.Object({ builtin: Type.String({ pattern: NAME_PATTERN }) }, closed),
  Type.Object({ image: Type.String({ minLength: 1, maxLength: 512 }) }, closed),
  /** A root filesystem from a folder or a tar that the server can read; kept by content once added. */
  Type.Object({ path: Type.String({ minLength: 1, maxLength: 4096 }) }, closed),
  /** Layers already held, lowest first, by digest: what an added image or folder becomes. */
  Type.Object(
    {
      layers: Type.Array(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }), { minItems: 1, maxItems: 128 }),
      image: Type.Optional(Type.String({ maxLength: 512 })),
      digest: Type.Optional(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' })),
    },
    closed,
  ),
]);

export const Ready = Type.Object(
  {
    /** Ready once this TCP port accepts. */
    port: Type.Optional(PortNumber),
    /** Ready once GET of this path on the first (or the given) port answers 2xx or 3xx. */
    http: Type.Optional(Type.String({ pattern: '^/[!-~]{0,1023}$' })),
    /** Ready once this command ends with 0 inside the sandbox. */
    command: Type.Optional(Command),
    timeout: Type.Optional(DurationText),
  },
  closed,
);

/** What happens to a sandbox that nobody uses. Use is traffic, open connections that say something, commands, terminals, files. */
export const Idle = Type.Object(
  {
    /** Quiet time after which it is warned: state `warned`, an event, a line in its terminals. */
    soft: Type.Optional(DurationText),
    /** Quiet time after which `then` happens. */
    hard: DurationText,
    /**
     * `frozen`: its processes stand still and keep their memory. `stopped`: only its record is kept. Both come back at the
     * next request, command or terminal. Default `stopped`.
     */
    then: Type.Optional(Type.Union([Type.Literal('frozen'), Type.Literal('stopped'), Type.Literal('removed')])),
    /** A frozen one is stopped after this much more quiet time. Default: it stays frozen. */
    stop: Type.Optional(DurationText),
    /** A stopped one keeps its writable layer. Default: it begins from its template again. */
    keep: Type.Optional(Type.Boolean()),
    /** Using at least so many processors counts as use, such as 0.05. Default: a busy program is no use. */
    cpu: Type.Optional(Type.Number({ minimum: 0.001, maximum: 256 })),
  },
  closed,
);
export type Idle = Static<typeof Idle>;

/** Where it may connect to, and nothing else: metadata services, private networks and the host stay refused. */
export const NetworkList = Type.Object(
  {
    /**
     * Networks (`192.0.2.0/24`), addresses, names (`pypi.org`), and `*.example.org` for all names beneath one. With names in it,
     * lookups are answered by Arc's own resolver for these names only, and every other resolver is refused.
     */
    allow: Type.Array(Type.String({ pattern: '^[A-Za-z0-9*_][A-Za-z0-9*_.:/-]{0,254}$' }), {
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
    }),
    /** Of TCP and UDP; default: all, and ping. */
    ports: Type.Optional(
      Type.Array(Type.Union([PortNumber, Type.String({ pattern: '^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$' })]), {
        minItems: 1,
        maxItems: 32,
        uniqueItems: true,
      }),
    ),
  },
  closed,
);
export const Network = Type.Union([Type.Literal('none'), Type.Literal('public'), NetworkList]);
export type Network = Static<typeof Network>;

/** Sandboxes of this template that are started ahead and wait to be claimed. */
/** While it is open a pool holds `min` at least. Without `days` once, between two dates; else every week, between two times in UTC. */
export const PoolWindow = Type.Object(
  {
    min: Type.Integer({ minimum: 1, maximum: 10_000 }),
    /** Such as `2026-12-01T08:50:00Z`; with `days` such as `08:50`. */
    from: Type.String({ maxLength: 32 }),
    until: Type.String({ maxLength: 32 }),
    days: Type.Optional(Type.Array(Type.Enum(DAYS), { minItems: 1, maxItems: 7, uniqueItems: true })),
  },
  closed,
);

export const Pool = Type.Object(
  {
    /** Kept ready at least, as far as the node's memory for warm sandboxes allows. */
    min: Type.Integer({ minimum: 0, maximum: 10_000 }),
    /** Kept ready at most; between the two it follows recent demand. Default: `min`, or the most of the schedule. */
    max: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    /**
     * Who needs the `env` of a create. `command` (the default): the program itself, so such a create is started cold.
     * `late`: commands, terminals and the file /run/arc/env, so a warm one will do.
     */
    env: Type.Optional(Type.Union([Type.Literal('command'), Type.Literal('late')])),
    /** When more than `min` are to be ready, such as for a course or a contest. */
    schedule: Type.Optional(Type.Array(PoolWindow, { maxItems: 64 })),
  },
  closed,
);
export type Pool = Static<typeof Pool>;

/** Who reaches the ports through the edge. By port, ports that are not named need a token. */
export const Access = Type.Union([
  Type.Literal('open'),
  Type.Literal('token'),
  Type.Record(
    Type.String({ pattern: '^[1-9][0-9]{0,4}$' }),
    Type.Union([Type.Literal('open'), Type.Literal('token')]),
    { maxProperties: 32, ...closed },
  ),
]);

const SecretFile = Type.String({ pattern: '^/[^\\u0000]{1,1023}$' });
const SecretEnv = Type.String({ pattern: ENV_KEY_PATTERN });

const SecretFileMode = Type.Enum(['0400', '0440', '0444', '0600', '0640', '0644']);

/** A secret that a sandbox gets: as a variable, as a file, or as both. */
export const SecretUse = Type.Object(
  {
    secret: SecretName,
    env: Type.Optional(SecretEnv),
    file: Type.Optional(SecretFile),
    /** Of the file. Default 0400 where the program is root inside, else 0444; of a flag 0444. */
    mode: Type.Optional(SecretFileMode),
  },
  closed,
);
export const SecretUses = Type.Array(SecretUse, { maxItems: 32 });
export type SecretUse = Static<typeof SecretUse>;

/** A text that is another for each owner, made from a secret by HMAC; it stays the same over resets. */
export const Flag = Type.Object(
  {
    ...SecretUse.properties,
    /** With `%s` where 32 hex digits go. Default `flag{%s}`. */
    format: Type.Optional(Type.String({ pattern: '^[^%\\u0000]{0,64}%s[^%\\u0000]{0,64}$' })),
  },
  closed,
);

export const Template = Type.Object(
  {
    name: Type.String({ pattern: NAME_PATTERN }),
    description: Type.Optional(Type.String({ maxLength: 1024 })),
    root: Root,
    command: Type.Optional(Command),
    /** `uid`, `uid:gid` or a name from the root's /etc/passwd. Default: the image's, else 0 (of its own user namespace). */
    user: Type.Optional(Type.String({ pattern: '^[a-z_0-9][a-z0-9_-]{0,31}(:[a-z_0-9][a-z0-9_-]{0,31})?$' })),
    cwd: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096 })),
    env: Type.Optional(Env),
    /** The first is what `ID.domain` reaches. */
    ports: Type.Optional(Type.Array(PortNumber, { maxItems: 32, uniqueItems: true })),
    /** Ports that don't speak HTTP: a TLS connection to `PORT-ID.DOMAIN` is passed to them as it is. */
    tcp: Type.Optional(Type.Array(PortNumber, { maxItems: 32, uniqueItems: true })),
    access: Type.Optional(Access),
    /** `none`: ready once its command runs. Default: its first port accepts, where it has ports. */
    ready: Type.Optional(Type.Union([Type.Literal('none'), Ready])),
    memory: Type.Optional(SizeText),
    cpus: Type.Optional(Type.Number({ minimum: 0.01, maximum: 256 })),
    pids: Type.Optional(Type.Integer({ minimum: 2, maximum: 32_768 })),
    openFiles: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_048_576 })),
    /** Bytes of the private writable layer. */
    disk: Type.Optional(SizeText),
    /** Where the writable layer lives: a disk image (kept over a restart) or memory (counted as memory, gone with it). */
    diskKind: Type.Optional(Type.Union([Type.Literal('image'), Type.Literal('memory')])),
    /** The least level; a create may ask for more. */
    isolation: Type.Optional(LevelName),
    /**
     * The level of a create that asks for none. Where it is not to be had: the next stronger one that is, else the
     * strongest of the weaker ones that the template allows. Default: the least.
     */
    usually: Type.Optional(LevelName),
    capabilities: Type.Optional(
      Type.Array(Type.Enum(TEMPLATE_CAPABILITIES), {
        maxItems: 16,
        uniqueItems: true,
      }),
    ),
    network: Type.Optional(Network),
    /** Most bytes a second that it sends to beyond the machine. Default 32MiB. */
    bandwidth: Type.Optional(SizeText),
    /** Most connections to beyond the machine that it has open at once. Default 512. */
    connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    ttl: Type.Optional(DurationText),
    /** Warned this long before its time to live is over. */
    ttlWarning: Type.Optional(DurationText),
    /** When its time is over it is stopped for this long, and can still be extended, before it is removed. */
    ttlGrace: Type.Optional(DurationText),
    /** Longest time to live that a create or an extend can get, from its first start. */
    ttlMax: Type.Optional(DurationText),
    idle: Type.Optional(Idle),
    /** After a reboot of the machine: make it again from its template, or mark it `node-lost`. */
    afterReboot: Type.Optional(Type.Union([Type.Literal('recreate'), Type.Literal('fail')])),
    labels: Type.Optional(Labels),
    /** Bytes of log kept for each sandbox. */
    logs: Type.Optional(SizeText),
    /** Bytes of log a second, and eight times as many at once; what is more is dropped and counted. Default 1MiB. */
    logRate: Type.Optional(SizeText),
    pool: Type.Optional(Pool),
    /** Secrets of whoever adds the template. */
    secrets: Type.Optional(SecretUses),
    flag: Type.Optional(Flag),
    /** Each owner has one sandbox of it at most: asking again gives the one that is there. */
    onePerOwner: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'Template' },
);
export type Template = Static<typeof Template>;

/** What an image says about itself: the template's defaults. */
export interface ImageDefaults {
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly ports?: readonly number[];
}
