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
];
