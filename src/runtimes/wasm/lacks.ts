import type { Lacks } from '../runtime.ts';

export const WASM_LACKS = {
  'machine programs': 'no shell and no program of a machine runs; Python, JavaScript and WASI modules do',
  processes: 'a program is no process of its own inside, so there are no users, host names, process or file limits',
  signals: 'an engine hands no signals to its program: each ends it',
  terminal: 'an engine has no terminal; commands have streams',
  links: 'files and folders are kept, and links are not',
  freeze: 'nothing runs between two commands, so there is nothing to freeze',
  checkpoint: 'a program can not be written to a file and started again from it',
  ports: 'an engine has no network',
  'processor shares': 'a program takes what is free',
} as const satisfies Lacks;
