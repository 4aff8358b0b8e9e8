-- From schema 1 to 2: stores may have parts, variables may be seamed.
CREATE TABLE parts (
    dataset  INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('segment', 'seams')),
    path     TEXT NOT NULL,
    url      TEXT,
    digest   TEXT NOT NULL CHECK (length(digest) = 64),
    size     INTEGER NOT NULL,
    PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;

-- A CHECK can only be changed by a new table.
ALTER TABLE variables RENAME TO variables_1;
CREATE TABLE variables (
    dataset  INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    verdict  TEXT NOT NULL CHECK (verdict IN ('virtual', 'inlined', 'seamed')),
    PRIMARY KEY (dataset, position),
    UNIQUE (dataset, name)
) STRICT, WITHOUT ROWID;
INSERT INTO variables SELECT * FROM variables_1;
DROP TABLE variables_1;

PRAGMA user_version = 2;
