-- 0003: one run for one dedupe id, but for those that failed or were cancelled.

CREATE UNIQUE INDEX pipeline_orchestration_dedupe ON pipeline_orchestration (options ->> '$.dedupe')
    WHERE options ->> '$.dedupe' IS NOT NULL AND status NOT IN ('failed', 'cancelled');
