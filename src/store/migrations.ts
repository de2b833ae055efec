/**
 * The schema, step by step. A step that was released is never changed; a new one is added. The number of steps that a
 * database has seen is kept in its table `migrations`.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO counters VALUES ('revision', 0);
  CREATE TABLE docs (
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, id)
  ) WITHOUT ROWID;
  CREATE TABLE indexes (
    kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, name, value, id)
  ) WITHOUT ROWID;
  CREATE INDEX indexes_of_doc ON indexes (kind, id);
  CREATE TABLE uniques (
    kind TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, value)
  ) WITHOUT ROWID;
  CREATE INDEX uniques_of_doc ON uniques (kind, id);
  CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, value TEXT NOT NULL);
  `,
  // Sandboxes that no policy has stopped have an index of their own; before this step there were no others.
  `INSERT INTO indexes (kind, name, value, id) SELECT kind, 'awake', value, id FROM indexes WHERE name = 'live';`,
  // Sums that documents add to, which quotas look at; rates; and the record of who did what.
  `
  CREATE TABLE tallies (
    kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (kind, id, name)
  ) WITHOUT ROWID;
  CREATE TABLE sums (kind TEXT NOT NULL, name TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
  CREATE TABLE buckets (name TEXT PRIMARY KEY, empty_at REAL NOT NULL) WITHOUT ROWID;
  CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, value TEXT NOT NULL);
  WITH rows AS (
    SELECT id, json_extract(value, '$.owner') AS owner, json_extract(value, '$.state') AS state,
      json_extract(value, '$.spec.limits.memoryBytes') AS memory
    FROM docs WHERE kind = 'sandbox'
  )
  INSERT INTO tallies
    SELECT 'sandbox', id, 'total/' || owner, 1 FROM rows WHERE state NOT IN ('removed', 'failed')
    UNION ALL SELECT 'sandbox', id, 'running/' || owner, 1 FROM rows WHERE state NOT IN ('removed', 'failed', 'stopped')
    UNION ALL SELECT 'sandbox', id, 'memory/' || owner, memory FROM rows WHERE state NOT IN ('removed', 'failed', 'stopped');
  INSERT INTO sums SELECT kind, name, sum(amount) FROM tallies GROUP BY kind, name;
  `,
];
