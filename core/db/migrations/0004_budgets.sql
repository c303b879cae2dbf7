-- 0004: budgets of the project and of the day, shared by all processes.

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
