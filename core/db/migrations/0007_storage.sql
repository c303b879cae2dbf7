-- 0007: what removing old runs needs: where a run's events lie among all, and which run is being removed.

CREATE TABLE run_span (
    pipeline_orchestration_id TEXT NOT NULL PRIMARY KEY REFERENCES pipeline_orchestration (id),
    first_seq INTEGER NOT NULL, -- its events have a larger seq
    last_seq INTEGER, -- and none beyond this one; NULL: it may still get some
    removing_at TEXT -- it is being removed: nothing may go on with it any more
) STRICT, WITHOUT ROWID;

CREATE INDEX run_span_open ON run_span (pipeline_orchestration_id) WHERE last_seq IS NULL;

CREATE INDEX run_span_removing ON run_span (pipeline_orchestration_id) WHERE removing_at IS NOT NULL;

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

-- Runs that others refer to stay as long as those do.
CREATE INDEX pipeline_orchestration_fork ON pipeline_orchestration (forked_from) WHERE forked_from IS NOT NULL;

CREATE INDEX pipeline_orchestration_parent ON pipeline_orchestration (parent_task_id) WHERE parent_task_id IS NOT NULL;

CREATE INDEX artifact_pit_operation_pit ON artifact_pit_operation (pit_operation_id);

-- Openings of the host that have not ended: what is asked of them does not grow with those that have.
CREATE INDEX session_open ON session (id) WHERE ended_at IS NULL;

-- Events of what the host does outside of runs, the few there are; of others this index has nothing.
CREATE INDEX event_of_host ON event (task_id) WHERE pipeline_orchestration_id IS NULL;
