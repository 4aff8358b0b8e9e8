-- From schema 3 to 4: steps and tracking IDs of files, costs of variables, stores of segments only, notes.
-- What older programs did not record is 0 or NULL until the dataset is built again.
ALTER TABLE files RENAME TO files_3;
CREATE TABLE files (
    dataset     INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    path        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    first_step  INTEGER,
    steps       INTEGER,
    tracking_id TEXT,
    CHECK ((first_step IS NULL) = (steps IS NULL)),
    PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;
INSERT INTO files SELECT *, NULL, NULL, NULL FROM files_3;
DROP TABLE files_3;

ALTER TABLE stores RENAME TO stores_3;
CREATE TABLE stores (
    dataset         INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    format          TEXT NOT NULL CHECK (format IN ('reference-json')),
    manifest        TEXT,
    url             TEXT,
    local           INTEGER NOT NULL CHECK (local IN (0, 1)),
    digest          TEXT CHECK (length(digest) = 64),
    size            INTEGER,
    reference_count INTEGER NOT NULL,
    inlined_bytes   INTEGER NOT NULL,
    CHECK ((manifest IS NULL) = (digest IS NULL) AND (manifest IS NULL) = (size IS NULL)),
    PRIMARY KEY (dataset, format)
) STRICT, WITHOUT ROWID;
INSERT INTO stores SELECT * FROM stores_3;
DROP TABLE stores_3;

ALTER TABLE variables RENAME TO variables_3;
CREATE TABLE variables (
    dataset         INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    name            TEXT NOT NULL,
    verdict         TEXT NOT NULL CHECK (verdict IN ('virtual', 'inlined', 'seamed', 'segmented')),
    reference_count INTEGER NOT NULL,
    stored_bytes    INTEGER NOT NULL,
    inlined_bytes   INTEGER NOT NULL,
    reencoded_bytes INTEGER NOT NULL,
    PRIMARY KEY (dataset, position),
    UNIQUE (dataset, name)
) STRICT, WITHOUT ROWID;
INSERT INTO variables SELECT *, 0, 0, 0, 0 FROM variables_3;
DROP TABLE variables_3;

DROP INDEX problems_by_dataset;
DROP INDEX one_error_a_dataset;
ALTER TABLE problems RENAME TO problems_3;
CREATE TABLE problems (
    id       INTEGER PRIMARY KEY,
    run_id   INTEGER NOT NULL REFERENCES runs (id),
    dataset  INTEGER REFERENCES datasets (id) ON DELETE CASCADE,
    severity TEXT NOT NULL CHECK (severity IN ('error', 'warning', 'note')),
    code     TEXT NOT NULL,
    path     TEXT,
    variable TEXT,
    message  TEXT NOT NULL,
    hint     TEXT
) STRICT;
INSERT INTO problems SELECT * FROM problems_3;
DROP TABLE problems_3;
CREATE INDEX problems_by_dataset ON problems (dataset);
CREATE UNIQUE INDEX one_error_a_dataset ON problems (dataset)
    WHERE severity = 'error' AND dataset IS NOT NULL;

PRAGMA user_version = 4;
