-- 0001: the person's database, shared by all projects and processes of one user.

-- One row, for ever.
CREATE TABLE user (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    preferences TEXT NOT NULL CHECK (json_valid(preferences)),
    created_at TEXT NOT NULL,
    singleton INTEGER NOT NULL DEFAULT 1 UNIQUE CHECK (singleton = 1)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER user_stays BEFORE DELETE ON user
BEGIN
    SELECT raise(ABORT, 'there is exactly one person');
END;

CREATE TABLE project (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user (id),
    name TEXT NOT NULL,
    configuration TEXT NOT NULL CHECK (json_valid(configuration)),
    created_at TEXT NOT NULL,
    path TEXT NOT NULL, -- its folder when it was opened last
    opened_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX project_opened ON project (opened_at);
