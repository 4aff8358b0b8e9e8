-- From schema 4 to 5: published dataset IDs, periods, checksums, times of stores, retractions, replacements,
-- advertisements. What older programs did not record is NULL, or this moment, until the dataset is built again.
-- Foreign keys are not enforced while this runs; those of other tables go on to name `datasets`.
DROP INDEX datasets_by_directory;
CREATE TABLE datasets_5 (
    id             INTEGER PRIMARY KEY,
    instance_id    TEXT NOT NULL UNIQUE,
    dataset_id     TEXT NOT NULL,
    master_id      TEXT NOT NULL,
    project        TEXT NOT NULL,
    version        TEXT NOT NULL,
    versioned      INTEGER NOT NULL CHECK (versioned IN (0, 1)),
    directory      TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('built', 'refused', 'failed', 'gone', 'retracted')),
    reason         TEXT,
    start_datetime TEXT,
    end_datetime   TEXT,
    recipe         TEXT NOT NULL,
    run_id         INTEGER NOT NULL REFERENCES runs (id),
    CHECK ((reason IS NOT NULL) = (status IN ('refused', 'failed'))),
    CHECK ((start_datetime IS NULL) = (end_datetime IS NULL))
) STRICT;
INSERT INTO datasets_5
    SELECT id, instance_id,
        substr(instance_id, 1, instr(instance_id || '.', '.' || version || '.') + length(version)),
        master_id, project, version, versioned, directory, status, reason, NULL, NULL, recipe, run_id
    FROM datasets;
DROP TABLE datasets;
ALTER TABLE datasets_5 RENAME TO datasets;
CREATE INDEX datasets_by_directory ON datasets (directory);
CREATE INDEX datasets_by_master_id ON datasets (master_id);
CREATE INDEX datasets_by_dataset_id ON datasets (dataset_id);

ALTER TABLE files RENAME TO files_4;
CREATE TABLE files (
    dataset     INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    path        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    checksum    TEXT,
    first_step  INTEGER,
    steps       INTEGER,
    tracking_id TEXT,
    CHECK ((first_step IS NULL) = (steps IS NULL)),
    PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;
INSERT INTO files
    SELECT dataset, position, path, size, mtime_ns, inode, NULL, first_step, steps, tracking_id FROM files_4;
DROP TABLE files_4;

ALTER TABLE stores RENAME TO stores_4;
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
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    CHECK ((manifest IS NULL) = (digest IS NULL) AND (manifest IS NULL) = (size IS NULL)),
    PRIMARY KEY (dataset, format)
) STRICT, WITHOUT ROWID;
INSERT INTO stores
    SELECT *, strftime('%Y-%m-%dT%H:%M:%fZ'), strftime('%Y-%m-%dT%H:%M:%fZ') FROM stores_4;
DROP TABLE stores_4;

CREATE TABLE replacements (
    id          INTEGER PRIMARY KEY,
    dataset     INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    replaced_at TEXT NOT NULL,
    old_digest  TEXT NOT NULL CHECK (length(old_digest) = 64),
    new_digest  TEXT NOT NULL CHECK (length(new_digest) = 64)
) STRICT;
CREATE INDEX replacements_by_dataset ON replacements (dataset);

CREATE TABLE retractions (
    dataset_id   TEXT PRIMARY KEY,
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    retracted_at TEXT NOT NULL,
    keeps_store  INTEGER NOT NULL CHECK (keeps_store IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE advertisements (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset         INTEGER NOT NULL UNIQUE REFERENCES datasets (id) ON DELETE CASCADE,
    action          TEXT NOT NULL CHECK (action IN ('add', 'remove')),
    url             TEXT NOT NULL,
    digest          TEXT CHECK (length(digest) = 64),
    sent_at         TEXT NOT NULL,
    acknowledged_at TEXT,
    CHECK ((digest IS NULL) = (action = 'remove'))
) STRICT;

PRAGMA user_version = 5;
