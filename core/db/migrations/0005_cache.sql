-- 0005: results of operations that may be used again, what they depend on, and hashes of large files.

-- What a result depends on besides what it read, part by part: for `why`.
CREATE TABLE cache_key (
    key TEXT NOT NULL PRIMARY KEY, -- "sha256:…" over the parts
    operation TEXT NOT NULL,
    parts TEXT NOT NULL CHECK (json_valid(parts)), -- {code, operation, program, trusted, env, input}
    last_used_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One result for one key and one state of what was read.
CREATE TABLE cache_entry (
    key TEXT NOT NULL,
    reads_hash TEXT NOT NULL, -- of `reads`
    operation TEXT NOT NULL,
    run TEXT NOT NULL, -- who made it; that run may be gone
    run_number INTEGER NOT NULL,
    task_key TEXT NOT NULL,
    cost_usd REAL NOT NULL,
    cost_tokens INTEGER NOT NULL,
    cost_ms INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    bytes INTEGER NOT NULL, -- of its output, artifacts and list of reads
    output_hash TEXT, -- of an output over 8 KiB
    artifacts TEXT NOT NULL CHECK (json_valid(artifacts)), -- [{id, hash, size, type, metadata}]
    output TEXT CHECK (output IS NULL OR json_valid(output)),
    reads TEXT NOT NULL CHECK (json_valid(reads)), -- [[kind, path, digest, detail?]…], over 8 KiB {"$artifact":…}
    PRIMARY KEY (key, reads_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX cache_entry_used ON cache_entry (last_used_at);

-- Trusted while all of it is the same, and only when the file was older than 2 s as it was hashed.
CREATE TABLE file_hash (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    hashed_ns INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (device, inode)
) STRICT, WITHOUT ROWID;
