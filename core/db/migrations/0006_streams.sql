-- 0006: what tasks stream while they run (ctx.stream, ctx.progress), in pieces by byte offset. Log lines are events.

CREATE TABLE task_stream (
    task_id TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind = 'tokens' OR kind = 'progress'),
    position INTEGER NOT NULL CHECK (position >= 0), -- of its first byte in the task's stream, over all attempts
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    epoch INTEGER NOT NULL, -- of the run's owner: an attempt that was cut off begins again under a later one
    occurred_at TEXT NOT NULL,
    data BLOB NOT NULL CHECK (length(data) BETWEEN 1 AND 65536),
    PRIMARY KEY (task_id, kind, position)
) STRICT;
