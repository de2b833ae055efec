import type { Table } from './command.ts';

/** Every command, each in a file of its own that is loaded only when it is called. */

export const COMMANDS: Table = {
  up: { summary: 'set up what is missing and start the server', common: true, host: 'up' },
  down: { summary: 'stop the server; sandboxes stay', common: true, host: 'down' },
  create: { summary: 'create a sandbox', common: true, load: () => import('./commands/create.ts') },
  run: { summary: 'run a program in a sandbox of its own', common: true, load: () => import('./commands/run.ts') },
  exec: { summary: 'run a program in a sandbox', common: true, load: () => import('./commands/exec.ts') },
  ls: { summary: 'list sandboxes', common: true, load: () => import('./commands/ls.ts') },
  show: { summary: 'show one sandbox and its history', load: () => import('./commands/show.ts') },
  logs: { summary: 'print what a sandbox wrote', common: true, load: () => import('./commands/logs.ts') },
  cp: { summary: 'copy files to or from a sandbox', common: true, load: () => import('./commands/cp.ts') },
  ps: { summary: 'list the processes of a sandbox', load: () => import('./commands/ps.ts') },
  stats: { summary: 'what sandboxes use', load: () => import('./commands/stats.ts') },
  rm: { summary: 'remove sandboxes', common: true, load: () => import('./commands/rm.ts') },
  restart: { summary: 'start the command of a sandbox again', load: () => import('./commands/restart.ts') },
  reset: { summary: 'make a sandbox fresh; same id and address', load: () => import('./commands/reset.ts') },
  extend: { summary: 'give a sandbox more time', load: () => import('./commands/extend.ts') },
  network: { summary: 'what a sandbox may connect to', load: () => import('./commands/network.ts') },
  access: {
    summary: 'a token and address for a sandbox that asks for one',
    load: () => import('./commands/access.ts'),
  },
  link: { summary: 'make a link for a person without a key', load: () => import('./commands/link.ts') },
  open: { summary: 'open the address of a sandbox', load: () => import('./commands/open.ts') },
  template: {
    summary: 'what sandboxes are made from',
    common: true,
    commands: {
      ls: { summary: 'list templates', load: () => import('./commands/template-ls.ts') },
      show: { summary: 'show one template', load: () => import('./commands/template-show.ts') },
      add: {
        summary: 'add one from an image, a folder, a tar or a file',
        load: () => import('./commands/template-add.ts'),
      },
      rm: { summary: 'remove templates', load: () => import('./commands/template-rm.ts') },
      prune: { summary: 'remove layers that nothing uses', load: () => import('./commands/template-prune.ts') },
    },
  },
  key: {
    summary: 'API keys',
    commands: {
      create: { summary: 'make a key; its secret is shown once', load: () => import('./commands/key-create.ts') },
      ls: { summary: 'list keys', load: () => import('./commands/key-ls.ts') },
      revoke: { summary: 'revoke keys', load: () => import('./commands/key-revoke.ts') },
    },
  },
  hook: {
    summary: 'send changes and alerts to an address',
    commands: {
      add: { summary: 'send changes there; the secret is shown once', load: () => import('./commands/hook-add.ts') },
      ls: { summary: 'list hooks and how they stand', load: () => import('./commands/hook-ls.ts') },
      rm: { summary: 'remove hooks', load: () => import('./commands/hook-rm.ts') },
      log: { summary: 'what came of its last tries', load: () => import('./commands/hook-log.ts') },
      test: { summary: 'send one message now', load: () => import('./commands/hook-test.ts') },
    },
  },
  quota: {
    summary: 'what owners may have',
    commands: {
      ls: { summary: 'list quotas', load: () => import('./commands/quota-ls.ts') },
      show: { summary: 'show what an owner may have and uses', load: () => import('./commands/quota-show.ts') },
      set: { summary: 'set what an owner may have', load: () => import('./commands/quota-set.ts') },
      rm: { summary: 'back to the settings of the server', load: () => import('./commands/quota-rm.ts') },
    },
  },
  alerts: { summary: 'what an operator should know of now', load: () => import('./commands/alerts.ts') },
  events: { summary: 'print changes as they happen', load: () => import('./commands/events.ts') },
  secret: {
    summary: 'values that sandboxes get and nobody can read again',
    commands: {
      set: { summary: 'set a secret from the input', load: () => import('./commands/secret-set.ts') },
      ls: { summary: 'list their names', load: () => import('./commands/secret-ls.ts') },
      rm: { summary: 'remove secrets', load: () => import('./commands/secret-rm.ts') },
    },
  },
  flag: { summary: 'what an owner is to find in a template', load: () => import('./commands/flag.ts') },
  export: { summary: 'who started what when', load: () => import('./commands/export.ts') },
  audit: { summary: 'who changed what, and from where', load: () => import('./commands/audit.ts') },
  levels: {
    summary: 'what each level of isolation protects from, and how to get it',
    load: () => import('./commands/levels.ts'),
  },
  verify: {
    summary: 'run an adversary in a sandbox of every level',
    common: true,
    load: () => import('./commands/verify.ts'),
  },
  nodes: { summary: 'the machines and the levels they give', load: () => import('./commands/nodes.ts') },
  bench: { summary: 'measure how fast and how dense it is here', load: () => import('./commands/bench.ts') },
  doctor: { summary: 'check this machine', common: true, host: 'doctor' },
  kit: { summary: 'make what virtual machines start from', host: 'kit' },
  dev: { summary: 'for working on Arc itself', host: 'dev' },
  completion: { summary: 'print completion for bash, zsh or fish', load: () => import('./commands/completion.ts') },
  version: { summary: 'print the versions', load: () => import('./commands/version.ts') },
  help: { summary: 'print help', load: () => import('./commands/help.ts') },
};
