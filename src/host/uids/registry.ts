import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Of the whole machine: every Arc on it looks here before it uses an id. Kept over a reboot, as files with these ids are. */
export const HOST_REGISTRY = '/var/lib/arc-host/uids.db';

export interface RegionRow {
  readonly region: number;
  readonly dataDir: string;
  readonly tag: string;
}

const BUSY_MS = 10_000;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS regions (
    region INTEGER PRIMARY KEY, dataDir TEXT NOT NULL, tag TEXT NOT NULL
  ) STRICT`;

/** What `change` sees and writes is one transaction that no other Arc on the machine can come between. */
export function inRegistry<T>(path: string, change: (rows: readonly RegionRow[], table: RegionTable) => T): T {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${SCHEMA}`);
    const rows = database.prepare('SELECT region, dataDir, tag FROM regions ORDER BY region').all().map(rowOf);
    const put = database.prepare('INSERT OR REPLACE INTO regions (region, dataDir, tag) VALUES (?, ?, ?)');
    const drop = database.prepare('DELETE FROM regions WHERE region = ?');
    const result = change(rows, {
      put: ({ region, dataDir, tag }) => void put.run(region, dataDir, tag),
      drop: (region) => void drop.run(region),
    });
    database.exec('COMMIT');
    return result;
  } finally {
    // What was not committed is undone by the close.
    database.close();
  }
}

export interface RegionTable {
  put(row: RegionRow): void;
  drop(region: number): void;
}

function rowOf(row: Readonly<Record<string, unknown>>): RegionRow {
  return { region: Number(row.region), dataDir: String(row.dataDir), tag: String(row.tag) };
}
