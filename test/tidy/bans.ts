import { codeLines, type Source } from './sources.ts';

export interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  /** What to write instead, and why. */
  readonly instead: string;
  /** Where it is banned. */
  readonly where: RegExp;
  /** Where it is allowed all the same. */
  readonly except?: RegExp;
}

const PROGRAM = /^src\/(?!.*\.test\.ts$).*\.tsx?$/;
const EVERYWHERE = /^(src|test|bench|examples)\/.*\.tsx?$/;
/**
 * The composition roots; where the real clocks are made; what starts the whole program for a test, and a folder's own
 * tools for tests; and the one timer of the SDK, the clock of the console and the workers of the level wasm, which run where there
 * is no kit.
 */
const REAL =
  /^src\/(kit\/(real|boot)\.ts|main\/|testing\/(launch|fakes\/manual-clock)\.ts|sdk\/wait\.ts|console\/lib\/clock\.ts|runtimes\/wasm\/worker\/|[a-z]+\/testing\/)/;
/** Letting the event loop turn once is no matter of time. */
const REAL_OR_A_BREATH = new RegExp(`${REAL.source}|^src/kit/breathe\\.ts`);
/** This folder names what it bans. */
const TIDY = /^test\/tidy\//;

/** Each ban has a reason and a replacement. */
export const BANS: readonly Ban[] = [
  {
    what: 'Date.now()',
    pattern: /\bDate\.now\b/,
    instead:
      'take a Clock by constructor, and use `monotonic()` for limits: rules on time are then tested without waiting',
    where: PROGRAM,
    except: REAL,
  },
  {
    what: 'new Date() of now',
    pattern: /\bnew Date\(\s*\)/,
    instead: 'new Date(clock.now())',
    where: PROGRAM,
    except: REAL,
  },
  {
    what: 'performance.now()',
    pattern: /\bperformance\.now\b|\bprocess\.hrtime\b/,
    instead: 'clock.monotonic()',
    where: PROGRAM,
    except: REAL,
  },
  {
    what: 'Math.random()',
    pattern: /\bMath\.random\b/,
    instead: 'take an Rng by constructor, so that a run can be replayed from its seed',
    where: PROGRAM,
  },
  {
    what: 'a bare timer',
    pattern: /(?<![\w.#])(setTimeout|setInterval|setImmediate)\s*\(|'node:timers/,
    instead: 'clock.sleep or clock.after, which a test drives by hand',
    where: PROGRAM,
    except: REAL_OR_A_BREATH,
  },
  {
    what: "a timer of the platform's",
    pattern: /\bAbortSignal\.timeout\b/,
    instead: 'an AbortController that clock.after aborts',
    where: PROGRAM,
    except: REAL,
  },
  {
    what: 'process.env or process.argv',
    pattern: /\bprocess\.(env|argv)\b/,
    instead: 'let main/ read it once and hand it on',
    where: PROGRAM,
    except: REAL,
  },
  {
    what: 'a shell',
    pattern:
      /\bshell:\s*(true|'|")|(?<![\w.#])exec(Sync)?\(\s*['"`]|\b(spawn|execFile|run)\w*\(.*'(\/bin\/)?(ba)?sh',.*'-c'/,
    instead: 'an argv, which needs no quoting: runProgram of kit/run.ts',
    where: PROGRAM,
  },
  {
    what: 'a recursive removal',
    pattern: /\brm(dir)?(Sync)?\(.*\brecursive:\s*true/,
    instead: 'removeTree of kit/remove-tree.ts, which refuses a path that is not beneath the folder one owns',
    where: PROGRAM,
    except: /^src\/kit\/remove-tree\.ts$/,
  },
  {
    what: 'console',
    pattern: /(?<!\.)\bconsole\.\w+\(/,
    instead: 'the Logger that was handed in; only cli/ and main/ print',
    where: PROGRAM,
    except: /^src\/(cli|main)\//,
  },
  {
    what: 'any',
    pattern: /(:|\bas|<|\|)\s*any\b(?!\s*(of|other|more))/,
    instead: 'unknown, and a check',
    where: EVERYWHERE,
    except: TIDY,
  },
  {
    what: 'a switched off check',
    pattern: /@ts-(ignore|nocheck)|@ts-expect-error\s*$|biome-ignore(?! [\w/]+: \S+ \S+)/,
    instead: 'mend the cause, or give the reason in the same comment',
    where: EVERYWHERE,
    except: TIDY,
  },
  {
    what: 'a test left out',
    pattern: /\b(test|it|describe|suite)\.(only|skip|todo)\b|\b(skip|todo|only):\s*true\b|\bt\.(skip|todo)\(\s*\)/,
    instead: 'run it, or `skip: "the reason"`',
    where: EVERYWHERE,
    except: TIDY,
  },
  {
    what: 'a note to oneself',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    instead: 'do it, or file an issue',
    where: /^(src|test|bench|examples|native|deploy|docs)\/|^[^/]+$/,
    except: /^test\/tidy\/|^package-lock\.json$/,
  },
  {
    what: "a path of a developer's machine",
    pattern:
      /\/home\/(?!ada\b|user\b|arc\b|sandbox\b|student\b|node\b)[a-z]+\/|\/Users\/[A-Za-z]+\/|(?<![\w.])\/work\/(main|shared)\b/,
    instead: 'a path beneath the repository',
    where: /^(src|test|bench|examples|native|deploy|docs)\/|^[^/]+$/,
    except: TIDY,
  },
];

/** Bans on comments, too, look at whole lines; the others at the code in them. */
const WHOLE_LINES = new Set(['a switched off check', 'a note to oneself', "a path of a developer's machine"]);

export function broken(files: readonly Source[], bans: readonly Ban[] = BANS): readonly string[] {
  return files.flatMap((file) =>
    bans
      .filter(({ where, except }) => where.test(file.path) && !except?.test(file.path))
      .flatMap(({ what, pattern, instead }) =>
        (WHOLE_LINES.has(what) ? file.lines : codeLines(file)).flatMap((line, index) =>
          pattern.test(line) ? [`${file.path}:${index + 1} has ${what}; instead: ${instead}`] : [],
        ),
      ),
  );
}
