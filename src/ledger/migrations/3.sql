-- From schema 2 to 3: what verify found.
CREATE TABLE verifications (
    dataset          INTEGER PRIMARY KEY REFERENCES datasets (id) ON DELETE CASCADE,
    run_id           INTEGER NOT NULL REFERENCES runs (id),
    verified_at      TEXT NOT NULL,
    mode             TEXT NOT NULL CHECK (mode IN ('sample', 'all')),
    http             INTEGER NOT NULL CHECK (http IN (0, 1)),
    outcome          TEXT NOT NULL CHECK (outcome IN ('verified', 'different', 'incomplete')),
    chunks           INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,
    first_difference TEXT,
    CHECK ((first_difference IS NULL) = (outcome = 'verified'))
) STRICT;

PRAGMA user_version = 3;
