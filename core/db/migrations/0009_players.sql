-- 0009: players, judged by their last calls, and extensions that a person has paused.

-- Extensions that a person has paused: none of these is called until it is resumed.
CREATE TABLE extension_pause (
    extension_id TEXT NOT NULL PRIMARY KEY REFERENCES extension (id),
    paused_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- An extension with [player] or a model of an instrument: whether it may be chosen.
CREATE TABLE player (
    name TEXT NOT NULL PRIMARY KEY, -- "acme/search"; of a model "llm:qwen2.5"
    extension_id TEXT NOT NULL REFERENCES extension (id),
    state TEXT NOT NULL CHECK (state = 'eligible' OR state = 'suspended' OR state = 'probation'),
    reason TEXT, -- why it is not eligible, in words
    since TEXT NOT NULL,
    until TEXT, -- when its last suspension ends or ended
    rest_ms INTEGER NOT NULL DEFAULT 0 -- how long that was to last
) STRICT, WITHOUT ROWID;

-- Its last calls.
CREATE TABLE player_call (
    seq INTEGER NOT NULL PRIMARY KEY,
    player TEXT NOT NULL REFERENCES player (name),
    ended_at TEXT NOT NULL,
    ms INTEGER NOT NULL,
    failed INTEGER NOT NULL -- 1: through its own fault
) STRICT;

CREATE INDEX player_call_of ON player_call (player, seq);
