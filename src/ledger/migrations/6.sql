-- From schema 5 to 6: stores in other forms beside their manifest, and manifests of Zarr V3 alone.
ALTER TABLE stores ADD COLUMN v3_only INTEGER NOT NULL DEFAULT 0 CHECK (v3_only IN (0, 1));

CREATE TABLE artefacts (
    dataset         INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    format          TEXT NOT NULL CHECK (format IN ('parquet', 'icechunk')),
    path            TEXT NOT NULL,
    url             TEXT,
    digest          TEXT NOT NULL,
    size            INTEGER NOT NULL,
    reference_count INTEGER NOT NULL,
    snapshot        TEXT,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    PRIMARY KEY (dataset, format)
) STRICT, WITHOUT ROWID;

ALTER TABLE advertisements ADD COLUMN artefacts TEXT NOT NULL DEFAULT '';
ALTER TABLE advertisements ADD COLUMN withdrawn TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 6;
