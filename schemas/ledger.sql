-- The ledger of vzarr-publish: what was found, built, refused, advertised, retracted and why. Schema 6.
--
-- This file is the contract. Anyone may read a ledger with it, also while a scan writes: readers
-- see whole transactions and block nobody. Only vzarr-publish writes. Every change of the schema
-- raises `user_version`, and a program refuses a ledger newer than itself; `runs.tool_version`
-- keeps its name for ever, so that the refusal can say who wrote it.
--
-- Conventions
--   paths      absolute, as published (symbolic links not resolved), in one spelling: no `//`, no
--              `/./`, no `/` at the end. UTF-8 as it is, but a backslash is written `\\` and a byte
--              that is not UTF-8 `\xHH`, so that every path has exactly one text and comes back
--              byte for byte.
--   times      UTC, ISO 8601
--   counts     64 bits; an inode of 2^63 or more, as some file systems give, appears negative
--   reasons    the codes of vzarr-publish, kebab-case words such as `time-overlap`

PRAGMA application_id = 1987731826; -- "vzar"
PRAGMA user_version = 6;

-- One row for each run of the program that may write.
CREATE TABLE runs (
    id           INTEGER PRIMARY KEY,
    started_at   TEXT NOT NULL,
    finished_at  TEXT,                  -- NULL: still running, or killed
    tool_version TEXT NOT NULL,
    arguments    TEXT NOT NULL CHECK (json_valid(arguments)), -- JSON array of strings
    exit_code    INTEGER,
    -- Datasets by what the run did with them.
    built        INTEGER NOT NULL DEFAULT 0,
    unchanged    INTEGER NOT NULL DEFAULT 0,
    refused      INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    gone         INTEGER NOT NULL DEFAULT 0,
    CHECK ((finished_at IS NULL) = (exit_code IS NULL))
) STRICT;

-- One row for each dataset version ever found; where a directory holds several variables, grids or
-- frequencies, for each of them.
CREATE TABLE datasets (
    id          INTEGER PRIMARY KEY,    -- internal: keeps the many rows of `files` short
    instance_id TEXT NOT NULL UNIQUE,   -- CMIP6.CMIP....gn.v20190308, cmip5....v20120101.tas
    dataset_id  TEXT NOT NULL,          -- under which it is published; several may share it, as the variables of CMIP5
    master_id   TEXT NOT NULL,          -- instance_id without the version
    project     TEXT NOT NULL,
    version     TEXT NOT NULL,          -- as the directory says: v20190308, or latest
    versioned   INTEGER NOT NULL CHECK (versioned IN (0, 1)), -- 0: a directory without a version
    directory   TEXT NOT NULL,          -- where its files are; others may be there, too
    -- built:     its store is in `stores`
    -- refused:   read and understood, but no store could equal the files
    -- failed:    could not be read or written
    -- gone:      no longer found where it was; the other tables still say what was there
    -- retracted: there is a row in `retractions`; scans leave it alone
    -- One of which a later version was found has a greater `version` beside it with the same `master_id`.
    status      TEXT NOT NULL CHECK (status IN ('built', 'refused', 'failed', 'gone', 'retracted')),
    reason      TEXT,                   -- code of the error; the rest of it is in `problems`
    start_datetime TEXT,                -- of the first time step; NULL: no store, or no time
    end_datetime   TEXT,                -- of the last; a day that only its calendar has is the one before
    recipe      TEXT NOT NULL,          -- changes when the same files would give another manifest
    run_id      INTEGER NOT NULL REFERENCES runs (id), -- the latest run that looked at it
    CHECK ((reason IS NOT NULL) = (status IN ('refused', 'failed'))),
    CHECK ((start_datetime IS NULL) = (end_datetime IS NULL))
) STRICT;
CREATE INDEX datasets_by_directory ON datasets (directory);
CREATE INDEX datasets_by_master_id ON datasets (master_id);
CREATE INDEX datasets_by_dataset_id ON datasets (dataset_id);

-- The NetCDF files of a dataset as they were when it was indexed.
CREATE TABLE files (
    dataset  INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,          -- 0, 1, ... in the order of time
    path     TEXT NOT NULL,             -- relative to the directory of the dataset if below it
    size     INTEGER NOT NULL,          -- bytes
    mtime_ns INTEGER NOT NULL,          -- nanoseconds since 1970
    inode    INTEGER NOT NULL,
    checksum TEXT,                      -- multihash, as the mapfile had it; NULL: no mapfile was read
    -- The time steps of the file that the store has, the first of a file being 0. Fewer than the file
    -- has, or none, where another file of the dataset has the same; NULL without a store or without time.
    first_step  INTEGER,
    steps       INTEGER,
    tracking_id TEXT,                   -- the attribute of the file; NULL: none, or no store
    CHECK ((first_step IS NULL) = (steps IS NULL)),
    PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;

-- What was written for a dataset. A row stays as long as the manifest may be on disk, so a
-- dataset that is refused or gone can have one.
CREATE TABLE stores (
    dataset         INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    format          TEXT NOT NULL CHECK (format IN ('reference-json')),
    manifest        TEXT,               -- path of the manifest; NULL: only `parts` can hold the files
    url             TEXT,               -- where it is published; NULL: no data root covers it
    local           INTEGER NOT NULL CHECK (local IN (0, 1)), -- 1: it refers to local paths
    digest          TEXT CHECK (length(digest) = 64), -- SHA-256 of the manifest, hex
    size            INTEGER,            -- bytes of the manifest
    reference_count INTEGER NOT NULL,   -- byte ranges that the store refers to
    inlined_bytes   INTEGER NOT NULL,   -- bytes of data copied into it
    created_at      TEXT NOT NULL,      -- when the dataset got its first store
    updated_at      TEXT NOT NULL,      -- when it got this one
    -- 1: Zarr V3 alone, with the chunk keys that V3 has by default
    v3_only         INTEGER NOT NULL DEFAULT 0 CHECK (v3_only IN (0, 1)),
    CHECK ((manifest IS NULL) = (digest IS NULL) AND (manifest IS NULL) = (size IS NULL)),
    PRIMARY KEY (dataset, format)
) STRICT, WITHOUT ROWID;

-- The same datasets in other forms beside the manifest, each a directory.
CREATE TABLE artefacts (
    dataset         INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    -- parquet:  kerchunk's references in Parquet
    -- icechunk: an Icechunk repository
    format          TEXT NOT NULL CHECK (format IN ('parquet', 'icechunk')),
    path            TEXT NOT NULL,
    url             TEXT,               -- where it is published; NULL: no data root covers it
    digest          TEXT NOT NULL,      -- of parquet: SHA-256 of what sha256sum prints of its files by name
    size            INTEGER NOT NULL,   -- bytes of its files
    reference_count INTEGER NOT NULL,   -- byte ranges that it refers to
    snapshot        TEXT,               -- of icechunk: the ID of the snapshot; NULL: of another format
    created_at      TEXT NOT NULL,      -- when the dataset got the first of this format
    updated_at      TEXT NOT NULL,      -- when it got this one
    PRIMARY KEY (dataset, format)
) STRICT, WITHOUT ROWID;

-- The files that belong to a store beside its manifest, where one regular grid cannot hold it.
CREATE TABLE parts (
    dataset  INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,          -- 0, 1, ...; segments in the order of time
    -- segment: a manifest of some of the files, in both Zarr formats
    -- seams:   chunks encoded anew, to which the manifest of the store refers
    kind     TEXT NOT NULL CHECK (kind IN ('segment', 'seams')),
    path     TEXT NOT NULL,
    url      TEXT,                      -- where it is published; NULL: no data root covers it
    digest   TEXT NOT NULL CHECK (length(digest) = 64), -- SHA-256, hex
    size     INTEGER NOT NULL,          -- bytes
    PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;

-- The variables of a store and how each got into it.
CREATE TABLE variables (
    dataset  INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,          -- 0, 1, ... in the order of the store
    name     TEXT NOT NULL,
    -- virtual:   by byte ranges in the files
    -- inlined:   by its values in the manifest
    -- seamed:    by byte ranges; some chunks are encoded anew, in the part `seams` or, few, in the manifest
    -- segmented: by byte ranges, in segments only: no array can hold all files
    verdict  TEXT NOT NULL CHECK (verdict IN ('virtual', 'inlined', 'seamed', 'segmented')),
    reference_count INTEGER NOT NULL,   -- byte ranges
    stored_bytes    INTEGER NOT NULL,   -- of these chunks in the files
    inlined_bytes   INTEGER NOT NULL,   -- in the manifest, before base64
    reencoded_bytes INTEGER NOT NULL,   -- stored bytes of the chunks encoded anew
    PRIMARY KEY (dataset, position),
    UNIQUE (dataset, name)
) STRICT, WITHOUT ROWID;

-- What is wrong: with a dataset (at most one error, which is its `reason`, and any number of warnings, and of
-- notes on what its files could do better, replaced whenever it is indexed again), or, without one, with a path below the scanned
-- directories, such as a directory that cannot be read or a file that fits no DRS.
CREATE TABLE problems (
    id       INTEGER PRIMARY KEY,       -- ascending as they were met
    run_id   INTEGER NOT NULL REFERENCES runs (id),
    dataset  INTEGER REFERENCES datasets (id) ON DELETE CASCADE,
    severity TEXT NOT NULL CHECK (severity IN ('error', 'warning', 'note')),
    code     TEXT NOT NULL,
    path     TEXT,
    variable TEXT,
    message  TEXT NOT NULL,
    hint     TEXT
) STRICT;
CREATE INDEX problems_by_dataset ON problems (dataset);
CREATE UNIQUE INDEX one_error_a_dataset ON problems (dataset)
    WHERE severity = 'error' AND dataset IS NOT NULL;

-- What `verify` found of a store the last time. A row goes when the dataset is recorded anew: what was
-- verified was another store, or of other files.
CREATE TABLE verifications (
    dataset          INTEGER PRIMARY KEY REFERENCES datasets (id) ON DELETE CASCADE,
    run_id           INTEGER NOT NULL REFERENCES runs (id), -- its `tool_version` did it
    verified_at      TEXT NOT NULL,
    -- sample: chosen chunks of virtual variables; all: every chunk. Inlined ones are always whole.
    mode             TEXT NOT NULL CHECK (mode IN ('sample', 'all')),
    http             INTEGER NOT NULL CHECK (http IN (0, 1)), -- 1: ranges were fetched from their URLs
    -- verified:   all that was compared is equal
    -- different:  something is not as in the files, or not as this ledger says
    -- incomplete: nothing was found to differ, but something could not be compared
    outcome          TEXT NOT NULL CHECK (outcome IN ('verified', 'different', 'incomplete')),
    chunks           INTEGER NOT NULL,  -- compared
    bytes            INTEGER NOT NULL,  -- compared, decoded
    first_difference TEXT,              -- or the first thing that could not be compared
    CHECK ((first_difference IS NULL) = (outcome = 'verified'))
) STRICT;

-- Stores that replaced another of the same version, because files were replaced by others of the same name:
-- whoever read the dataset before read something else.
CREATE TABLE replacements (
    id          INTEGER PRIMARY KEY,
    dataset     INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    replaced_at TEXT NOT NULL,
    old_digest  TEXT NOT NULL CHECK (length(old_digest) = 64),
    new_digest  TEXT NOT NULL CHECK (length(new_digest) = 64)
) STRICT;
CREATE INDEX replacements_by_dataset ON replacements (dataset);

-- What is not to be built or advertised any more, whether or not it was ever found.
CREATE TABLE retractions (
    dataset_id   TEXT PRIMARY KEY,
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    retracted_at TEXT NOT NULL,
    keeps_store  INTEGER NOT NULL CHECK (keeps_store IN (0, 1)) -- 1: its store was left on disk
) STRICT, WITHOUT ROWID;

-- What was handed to the publisher the last time. A dataset whose store is another by now, or is there no
-- more, is to be advertised again; so is one whose row was not acknowledged.
CREATE TABLE advertisements (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that one of an older state is told
    dataset         INTEGER NOT NULL UNIQUE REFERENCES datasets (id) ON DELETE CASCADE,
    action          TEXT NOT NULL CHECK (action IN ('add', 'remove')),
    url             TEXT NOT NULL,
    digest          TEXT CHECK (length(digest) = 64), -- of the manifest at `url`
    sent_at         TEXT NOT NULL,
    acknowledged_at TEXT,               -- NULL: the publisher may or may not have it
    artefacts       TEXT NOT NULL DEFAULT '', -- told with it: a line `FORMAT DIGEST URL` for each, by format
    withdrawn       TEXT NOT NULL DEFAULT '', -- told to be removed, the same
    CHECK ((digest IS NULL) = (action = 'remove'))
) STRICT;
