-- Jobs, their items, and the history of a run.
-- the code that a job runs with
ALTER TABLE steps ADD COLUMN version TEXT NOT NULL DEFAULT '';
-- why it failed, for the person
ALTER TABLE steps ADD COLUMN error TEXT NOT NULL DEFAULT '';
-- the traceback, for the author
ALTER TABLE steps ADD COLUMN details TEXT NOT NULL DEFAULT '';
-- its last lines
ALTER TABLE steps ADD COLUMN log TEXT NOT NULL DEFAULT '';
-- of the server or a worker while it ran
ALTER TABLE steps ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN started_at REAL;
-- person | model | command line
ALTER TABLE steps ADD COLUMN by TEXT NOT NULL DEFAULT 'person';

-- its title was given by a person: replay leaves it alone
ALTER TABLE runs ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
-- while it can be undone; afterwards `deleted` is 2, and nothing is left but the row
ALTER TABLE runs ADD COLUMN deleted_at REAL;
-- the run it was forked from, or import
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- what the bell counts
CREATE INDEX steps_running ON steps (id) WHERE state = 'running';

-- of a reverted step: the state it had, which Undo gives back
ALTER TABLE steps ADD COLUMN was TEXT NOT NULL DEFAULT 'done';
-- of a reverted step: 1 where somebody wants it run again, so that neither its result nor an older one is used again;
-- 2 where those of its items are
ALTER TABLE steps ADD COLUMN again INTEGER NOT NULL DEFAULT 0;

-- what an each, or a job with a long list, has; one row an item, in the order of `number`, from 0
CREATE TABLE items (
    step INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,                       -- of all arguments of its call, and its number among equals
    state TEXT NOT NULL,                        -- running | done | failed | stopped
    value TEXT,                                 -- JSON
    error TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '',
    deaths INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (step, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (key),
    at REAL NOT NULL,
    by TEXT NOT NULL,                           -- person | model | command line | job
    what TEXT NOT NULL,                         -- started | answered | reverted | undone | finalised | unlocked |
                                                -- forked | imported | stopped | done | failed | ...
    label TEXT NOT NULL DEFAULT '',             -- of the step
    text TEXT NOT NULL DEFAULT ''               -- the answer in one line; never a secret
) STRICT;
CREATE INDEX history_by_run ON history (run, id);
