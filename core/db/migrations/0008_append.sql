-- 0008: tasks and events in the order in which they are written. Their rows are wide, so that in the tree of a text key
-- a page holds few of them and is rebuilt again and again; at the end of a table each page is filled once. Events are
-- read by `seq` alone, which is now the table's own key.

CREATE TEMP TABLE task_before AS SELECT * FROM task;

DROP TABLE task;

CREATE TABLE task (
    id TEXT NOT NULL PRIMARY KEY,
    conductor_id TEXT NOT NULL REFERENCES conductor (id),
    extension_id TEXT NOT NULL REFERENCES extension (id), -- after a fallback: who produced the outcome
    melody_id TEXT REFERENCES melody (id), -- NULL: what the host does on its own
    task_type TEXT NOT NULL CHECK (
        task_type = 'extension_activation' OR task_type = 'resource_allocation'
        OR task_type = 'artifact_processing'),
    task_payload TEXT NOT NULL CHECK (json_valid(task_payload)), -- input, or {"$artifact":…} above 8 KiB
    task_status TEXT NOT NULL CHECK (
        task_status = 'pending' OR task_status = 'dispatched' OR task_status = 'executing'
        OR task_status = 'completed' OR task_status = 'failed'),
    execution_context TEXT NOT NULL CHECK (json_valid(execution_context)),
    created_at TEXT NOT NULL,
    dispatched_at TEXT,
    completed_at TEXT,
    orchestra_kit_id TEXT NOT NULL REFERENCES orchestra_kit (id),
    pipeline_orchestration_id TEXT REFERENCES pipeline_orchestration (id), -- NULL: outside of any run
    key TEXT NOT NULL, -- "checks/1"; "" for the run itself
    parent_task_id TEXT REFERENCES task (id),
    position INTEGER, -- child of each, iteration of loop: from 1
    operation TEXT NOT NULL, -- "git.diff"
    extension_version_id TEXT REFERENCES extension_version (id),
    outcome TEXT CHECK (
        outcome = 'ok' OR outcome = 'cached' OR outcome = 'fallback' OR outcome = 'skipped'
        OR outcome = 'compensated' OR outcome = 'error' OR outcome = 'timeout' OR outcome = 'denied'
        OR outcome = 'cancelled'),
    attempts INTEGER NOT NULL DEFAULT 0,
    output TEXT CHECK (output IS NULL OR json_valid(output)), -- up to 8 KiB of JSON, else output_hash
    output_hash TEXT,
    error TEXT CHECK (error IS NULL OR json_valid(error)),
    cost_usd REAL NOT NULL DEFAULT 0,
    cost_tokens INTEGER NOT NULL DEFAULT 0,
    cost_ms INTEGER NOT NULL DEFAULT 0,
    started_at TEXT, -- of the last attempt
    UNIQUE (pipeline_orchestration_id, key)
) STRICT;

INSERT INTO task SELECT * FROM task_before ORDER BY id;

DROP TABLE task_before;

CREATE TEMP TABLE event_before AS SELECT * FROM event;

DROP TABLE event;

CREATE TABLE event (
    id TEXT NOT NULL UNIQUE,
    task_id TEXT NOT NULL REFERENCES task (id),
    extension_id TEXT NOT NULL REFERENCES extension (id),
    event_type TEXT NOT NULL CHECK (
        instr(event_type, '.') > 1 OR event_type = 'task_started' OR event_type = 'artifact_produced'
        OR event_type = 'error_occurred' OR event_type = 'resource_allocated'),
    event_payload TEXT NOT NULL CHECK (json_valid(event_payload)),
    event_context TEXT NOT NULL CHECK (json_valid(event_context)),
    occurred_at TEXT NOT NULL,
    seq INTEGER NOT NULL PRIMARY KEY, -- commit order: what every cursor counts by
    topic TEXT NOT NULL,
    pipeline_orchestration_id TEXT REFERENCES pipeline_orchestration (id)
) STRICT;

CREATE INDEX event_of_host ON event (task_id) WHERE pipeline_orchestration_id IS NULL;

INSERT INTO event SELECT * FROM event_before ORDER BY seq;

DROP TABLE event_before;
