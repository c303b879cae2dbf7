-- The schema after all migrations, as SQLite has it. Written by spec/db/open_test.c.

CREATE INDEX artifact_hash ON artifact (content_hash);

CREATE INDEX artifact_pit_operation_pit ON artifact_pit_operation (pit_operation_id);

CREATE INDEX artifact_run ON artifact (pipeline_orchestration_id);

CREATE INDEX cache_entry_used ON cache_entry (last_used_at);

CREATE INDEX control_waiting ON control (pipeline_orchestration_id) WHERE handled_at IS NULL;

CREATE INDEX event_of_host ON event (task_id) WHERE pipeline_orchestration_id IS NULL;

CREATE UNIQUE INDEX pipeline_orchestration_dedupe ON pipeline_orchestration (options ->> '$.dedupe')
    WHERE options ->> '$.dedupe' IS NOT NULL AND status NOT IN ('failed', 'cancelled');

CREATE INDEX pipeline_orchestration_fork ON pipeline_orchestration (forked_from) WHERE forked_from IS NOT NULL;

CREATE INDEX pipeline_orchestration_open ON pipeline_orchestration (number)
    WHERE status IN ('pending', 'running', 'waiting', 'paused');

CREATE INDEX pipeline_orchestration_parent ON pipeline_orchestration (parent_task_id) WHERE parent_task_id IS NOT NULL;

CREATE INDEX pit_operation_task ON pit_operation (task_id);

CREATE INDEX player_call_of ON player_call (player, seq);

CREATE INDEX run_span_open ON run_span (pipeline_orchestration_id) WHERE last_seq IS NULL;

CREATE INDEX run_span_removing ON run_span (pipeline_orchestration_id) WHERE removing_at IS NOT NULL;

CREATE INDEX session_open ON session (id) WHERE ended_at IS NULL;

CREATE TABLE artifact (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES event (id), -- the first producer
    extension_id TEXT NOT NULL REFERENCES extension (id),
    melody_id TEXT REFERENCES melody (id),
    artifact_type TEXT NOT NULL, -- code, documentation, test, config, …
    content_hash TEXT NOT NULL,
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    quality_metrics TEXT NOT NULL CHECK (json_valid(quality_metrics)), -- [{judge, version, verdict, value, at}]
    created_at TEXT NOT NULL,
    task_id TEXT NOT NULL REFERENCES task (id),
    pipeline_orchestration_id TEXT REFERENCES pipeline_orchestration (id),
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact_pit_operation (
    artifact_id TEXT NOT NULL REFERENCES artifact (id),
    pit_operation_id TEXT NOT NULL REFERENCES pit_operation (id),
    PRIMARY KEY (artifact_id, pit_operation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    hash TEXT NOT NULL PRIMARY KEY, -- "sha256:…" of the plain content
    size INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    encoding TEXT NOT NULL CHECK (encoding = 'raw' OR encoding = 'zstd'),
    state TEXT NOT NULL DEFAULT 'hot' CHECK (state = 'hot' OR state = 'archived' OR state = 'deleted'),
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    content BLOB
) STRICT;

CREATE TABLE budget_account (
    name TEXT NOT NULL PRIMARY KEY, -- 'project', 'day 2026-11-22' (UTC)
    usd_micro INTEGER NOT NULL, -- settled: millionths of a US dollar
    tokens INTEGER NOT NULL,
    updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_reservation (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL, -- the host that makes the call: dead, what it reserved counts as spent
    pipeline_orchestration_id TEXT NOT NULL,
    task_id TEXT NOT NULL, -- no references: at level none there are no such rows
    day TEXT NOT NULL, -- the account of the day that it counts for, too
    usd_micro INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE TABLE cache_key (
    key TEXT NOT NULL PRIMARY KEY, -- "sha256:…" over the parts
    operation TEXT NOT NULL,
    parts TEXT NOT NULL CHECK (json_valid(parts)), -- {code, operation, program, trusted, env, input}
    last_used_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE conductor (
    id TEXT NOT NULL PRIMARY KEY,
    rl_model_state TEXT NOT NULL CHECK (json_valid(rl_model_state)),
    orchestration_strategies TEXT NOT NULL CHECK (json_valid(orchestration_strategies)),
    performance_metrics TEXT NOT NULL CHECK (json_valid(performance_metrics)),
    training_data TEXT NOT NULL CHECK (json_valid(training_data)),
    event_router_config TEXT NOT NULL CHECK (json_valid(event_router_config)),
    singleton INTEGER NOT NULL DEFAULT 1 UNIQUE CHECK (singleton = 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE control (
    id TEXT NOT NULL PRIMARY KEY,
    pipeline_orchestration_id TEXT NOT NULL REFERENCES pipeline_orchestration (id),
    command TEXT NOT NULL, -- cancel, pause, answer, …
    task_key TEXT,
    payload TEXT CHECK (payload IS NULL OR json_valid(payload)),
    session_id TEXT REFERENCES session (id), -- who asked
    created_at TEXT NOT NULL,
    handled_at TEXT,
    result TEXT CHECK (result IS NULL OR json_valid(result))
) STRICT, WITHOUT ROWID;

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

CREATE TABLE event_artifact (
    artifact_id TEXT NOT NULL REFERENCES artifact (id),
    event_id TEXT NOT NULL REFERENCES event (id),
    PRIMARY KEY (artifact_id, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE extension (
    id TEXT NOT NULL PRIMARY KEY,
    orchestra_kit_id TEXT NOT NULL REFERENCES orchestra_kit (id),
    manifest TEXT NOT NULL CHECK (json_valid(manifest)),
    capabilities TEXT NOT NULL CHECK (json_valid(capabilities)),
    extension_type TEXT NOT NULL CHECK (extension_type IN ('instrument', 'operator', 'motif')),
    -- the furthest state of a living host (extension_session), else 'installed'
    lifecycle_state TEXT NOT NULL DEFAULT 'installed'
        CHECK (lifecycle_state IN ('installed', 'loaded', 'activated', 'running', 'paused', 'error')),
    installed_at TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE, -- "git", "acme/textkit"
    source TEXT NOT NULL CHECK (source IN ('bundled', 'user', 'project', 'store', 'dev')),
    path TEXT, -- its folder; NULL when embedded
    extension_version_id TEXT, -- the version in use
    removed_at TEXT,
    UNIQUE (id, extension_type) -- what the three tables below refer to
) STRICT, WITHOUT ROWID;

CREATE TABLE extension_pause (
    extension_id TEXT NOT NULL PRIMARY KEY REFERENCES extension (id),
    paused_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE extension_session (
    extension_id TEXT NOT NULL REFERENCES extension (id),
    session_id TEXT NOT NULL REFERENCES session (id),
    lifecycle_state TEXT NOT NULL
        CHECK (lifecycle_state IN ('installed', 'loaded', 'activated', 'running', 'paused', 'error')),
    error TEXT CHECK (error IS NULL OR json_valid(error)),
    updated_at TEXT NOT NULL,
    PRIMARY KEY (extension_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE extension_version (
    id TEXT NOT NULL PRIMARY KEY,
    extension_id TEXT NOT NULL REFERENCES extension (id),
    version TEXT NOT NULL,
    code_hash TEXT NOT NULL, -- "sha256:…" over its files; "builtin" for the host itself
    manifest TEXT NOT NULL CHECK (json_valid(manifest)),
    installed_at TEXT NOT NULL,
    UNIQUE (extension_id, version, code_hash)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE instrument (
    extension_id TEXT NOT NULL PRIMARY KEY,
    model_type TEXT NOT NULL, -- llm, vision, audio, …
    model_configuration TEXT NOT NULL CHECK (json_valid(model_configuration)),
    performance_metrics TEXT NOT NULL CHECK (json_valid(performance_metrics)),
    extension_type TEXT NOT NULL DEFAULT 'instrument' CHECK (extension_type = 'instrument'),
    FOREIGN KEY (extension_id, extension_type) REFERENCES extension (id, extension_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE melody (
    id TEXT NOT NULL PRIMARY KEY,
    conductor_id TEXT NOT NULL REFERENCES conductor (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    creation_source TEXT NOT NULL CHECK (creation_source IN ('user_created', 'conductor_generated')),
    execution_history TEXT NOT NULL DEFAULT '{"runs":[],"totals":{"completed":0,"failed":0,"cancelled":0}}'
        CHECK (json_valid(execution_history)), -- the last 100 runs and totals
    created_at TEXT NOT NULL,
    hash TEXT NOT NULL, -- of `definition`, canonical: "sha256:…"
    source TEXT, -- the file it was read from
    updated_at TEXT NOT NULL,
    removed_at TEXT,
    definition TEXT NOT NULL CHECK (json_valid(definition)), -- last, and no WITHOUT ROWID: it may be large
    UNIQUE (project_id, name)
) STRICT;

CREATE TABLE melody_version (
    melody_id TEXT NOT NULL REFERENCES melody (id),
    hash TEXT NOT NULL,
    created_at TEXT NOT NULL,
    definition TEXT NOT NULL CHECK (json_valid(definition)),
    PRIMARY KEY (melody_id, hash)
) STRICT;

CREATE TABLE motif (
    extension_id TEXT NOT NULL PRIMARY KEY,
    ui_components TEXT NOT NULL CHECK (json_valid(ui_components)),
    theme_integration TEXT NOT NULL CHECK (json_valid(theme_integration)),
    extension_type TEXT NOT NULL DEFAULT 'motif' CHECK (extension_type = 'motif'),
    FOREIGN KEY (extension_id, extension_type) REFERENCES extension (id, extension_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE operator (
    extension_id TEXT NOT NULL PRIMARY KEY,
    operator_type TEXT NOT NULL, -- file, git, data, …
    input_schema TEXT NOT NULL CHECK (json_valid(input_schema)), -- keyed by operation
    output_schema TEXT NOT NULL CHECK (json_valid(output_schema)),
    extension_type TEXT NOT NULL DEFAULT 'operator' CHECK (extension_type = 'operator'),
    FOREIGN KEY (extension_id, extension_type) REFERENCES extension (id, extension_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE orchestra_kit (
    id TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    configuration TEXT NOT NULL CHECK (json_valid(configuration)),
    extension_registry TEXT NOT NULL CHECK (json_valid(extension_registry)),
    security_context TEXT NOT NULL CHECK (json_valid(security_context)),
    performance_state TEXT NOT NULL CHECK (json_valid(performance_state)),
    task_queue TEXT NOT NULL CHECK (json_valid(task_queue)),
    singleton INTEGER NOT NULL DEFAULT 1 UNIQUE CHECK (singleton = 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    content_hash TEXT NOT NULL PRIMARY KEY,
    artifact_id TEXT REFERENCES artifact (id), -- named when it was pinned
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline_orchestration (
    id TEXT NOT NULL PRIMARY KEY,
    conductor_id TEXT NOT NULL REFERENCES conductor (id),
    melody_id TEXT REFERENCES melody (id), -- NULL: one operation, called by itself
    orchestration_type TEXT NOT NULL CHECK (orchestration_type IN ('maestro_rl', 'manual')),
    project_id TEXT NOT NULL REFERENCES project (id),
    number INTEGER NOT NULL CHECK (number > 0), -- within the project: what people say
    melody_hash TEXT, -- with melody_id: the pinned melody_version
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled')),
    durability TEXT NOT NULL CHECK (durability IN ('full', 'process', 'none')),
    owner_host TEXT REFERENCES session (id), -- who executes it while that session's lock is held
    owner_epoch INTEGER NOT NULL DEFAULT 0, -- counts take-overs
    root_task_id TEXT, -- its own TASK (operation host.run); written after this row, hence no reference
    parent_task_id TEXT REFERENCES task (id), -- a run that a task started
    forked_from TEXT REFERENCES pipeline_orchestration (id),
    prompt_id TEXT REFERENCES prompt (id),
    cost_usd REAL NOT NULL DEFAULT 0,
    cost_tokens INTEGER NOT NULL DEFAULT 0,
    cost_ms INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    started_at TEXT,
    completed_at TEXT,
    error TEXT CHECK (error IS NULL OR json_valid(error)),
    params TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(params)),
    options TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(options)), -- budget, parallel, cache, …
    outputs TEXT CHECK (outputs IS NULL OR json_valid(outputs)),
    execution_sequence TEXT NOT NULL CHECK (json_valid(execution_sequence)),
    task_dag TEXT NOT NULL CHECK (json_valid(task_dag)),
    UNIQUE (project_id, number),
    FOREIGN KEY (melody_id, melody_hash) REFERENCES melody_version (melody_id, hash)
) STRICT;

CREATE TABLE pit_operation (
    id TEXT NOT NULL PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES task (id),
    operation_type TEXT NOT NULL CHECK (
        operation_type = 'pool_allocation' OR operation_type = 'dag_tracking'
        OR operation_type = 'artifact_storage' OR operation_type = 'arbitration'
        OR operation_type = 'stale_management'),
    operation_context TEXT NOT NULL CHECK (json_valid(operation_context)),
    resource_allocations TEXT NOT NULL CHECK (json_valid(resource_allocations)),
    performed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE player (
    name TEXT NOT NULL PRIMARY KEY, -- "acme/search"; of a model "llm:qwen2.5"
    extension_id TEXT NOT NULL REFERENCES extension (id),
    state TEXT NOT NULL CHECK (state = 'eligible' OR state = 'suspended' OR state = 'probation'),
    reason TEXT, -- why it is not eligible, in words
    since TEXT NOT NULL,
    until TEXT, -- when its last suspension ends or ended
    rest_ms INTEGER NOT NULL DEFAULT 0 -- how long that was to last
) STRICT, WITHOUT ROWID;

CREATE TABLE player_call (
    seq INTEGER NOT NULL PRIMARY KEY,
    player TEXT NOT NULL REFERENCES player (name),
    ended_at TEXT NOT NULL,
    ms INTEGER NOT NULL,
    failed INTEGER NOT NULL -- 1: through its own fault
) STRICT;

CREATE TABLE project (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user (id),
    name TEXT NOT NULL,
    configuration TEXT NOT NULL CHECK (json_valid(configuration)), -- the effective settings, refreshed at open
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE prompt (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user (id),
    content TEXT NOT NULL,
    context TEXT NOT NULL,
    created_at TEXT NOT NULL,
    conductor_id TEXT NOT NULL REFERENCES conductor (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    melody_id TEXT REFERENCES melody (id), -- what the Conductor chose
    answered_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE run_span (
    pipeline_orchestration_id TEXT NOT NULL PRIMARY KEY REFERENCES pipeline_orchestration (id),
    first_seq INTEGER NOT NULL, -- its events have a larger seq
    last_seq INTEGER, -- and none beyond this one; NULL: it may still get some
    removing_at TEXT -- it is being removed: nothing may go on with it any more
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL, -- of the program
    started_at TEXT NOT NULL,
    ended_at TEXT
) STRICT, WITHOUT ROWID;

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

CREATE TABLE user (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    preferences TEXT NOT NULL CHECK (json_valid(preferences)), -- the effective settings, refreshed at open
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER conductor_stays BEFORE DELETE ON conductor
BEGIN
    SELECT raise(ABORT, 'there is exactly one conductor');
END;

CREATE TRIGGER orchestra_kit_stays BEFORE DELETE ON orchestra_kit
BEGIN
    SELECT raise(ABORT, 'there is exactly one orchestra kit');
END;

CREATE TRIGGER run_begins AFTER INSERT ON pipeline_orchestration
BEGIN
    SELECT raise(ABORT, 'the run it was forked from is being removed') FROM run_span
    WHERE pipeline_orchestration_id = NEW.forked_from AND removing_at IS NOT NULL;
    INSERT INTO run_span (pipeline_orchestration_id, first_seq)
    VALUES (NEW.id, (SELECT coalesce(max(seq), 0) FROM event));
END;

CREATE TRIGGER run_goes_on AFTER UPDATE OF owner_epoch ON pipeline_orchestration WHEN NEW.owner_epoch <> OLD.owner_epoch
BEGIN
    SELECT raise(ABORT, 'the run is being removed') FROM run_span
    WHERE pipeline_orchestration_id = NEW.id AND removing_at IS NOT NULL;
    UPDATE run_span SET last_seq = NULL WHERE pipeline_orchestration_id = NEW.id;
END;

