-- 0002: runs that have not ended are found without reading those that have.

CREATE INDEX pipeline_orchestration_open ON pipeline_orchestration (number)
    WHERE status IN ('pending', 'running', 'waiting', 'paused');
