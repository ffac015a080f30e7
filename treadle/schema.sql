-- The spine: counter, conversations, arrivals, runs, files, settings. Each statement ends with a semicolon at the end
-- of its line. `rev` in a table means: its rows are shown live, and carry the number of their last change.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), rev INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES (1, 0);

-- what a person chose: model, address; and what the server found out, shown live
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, rev INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    rev INTEGER NOT NULL
) STRICT;
INSERT INTO conversations (id, created_at, rev) VALUES (1, CAST(strftime('%s', 'now') AS REAL), 0);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations,
    role TEXT NOT NULL,                         -- arrival | user | assistant
    state TEXT NOT NULL,                        -- of a reply waiting | streaming | done | stopped | failed |
                                                -- interrupted; of the others done
    text TEXT NOT NULL DEFAULT '',
    thinking TEXT NOT NULL DEFAULT '',
    thinking_s REAL,
    client_id TEXT,                             -- what makes sending twice one row
    endpoint TEXT NOT NULL DEFAULT '',
    run TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    tokens_per_s REAL,
    error TEXT NOT NULL DEFAULT '',             -- why a reply failed
    note TEXT NOT NULL DEFAULT '',              -- a remark; while there is no text: what the reply waits for
    question INTEGER,                           -- the row a reply answers
    continues INTEGER,                          -- the reply it goes on from
    followed INTEGER NOT NULL DEFAULT 0,        -- a newer question or a continuation stands after it: no Retry
    created_at REAL NOT NULL,
    started_at REAL,                            -- sent to the model
    answered_at REAL,                           -- its first piece came
    deleted INTEGER NOT NULL DEFAULT 0,         -- 1: a tombstone, whose text is gone (a question taken back keeps it
                                                -- until the next one is asked) and whose rev tells viewers
    born INTEGER NOT NULL,                      -- the rev it was inserted with
    rev INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_rev ON messages (conversation, rev);
-- a page: the newest hundred
CREATE INDEX messages_shown ON messages (conversation, id) WHERE deleted = 0;
CREATE UNIQUE INDEX one_active_reply ON messages (conversation)
    WHERE role = 'assistant' AND state IN ('waiting', 'streaming') AND deleted = 0;
-- by role, as ids that pages make up and ids of ours (arrival-7, retry-11) are not to meet
CREATE UNIQUE INDEX sent_once ON messages (conversation, role, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX taken_back ON messages (conversation) WHERE role = 'user' AND deleted = 1 AND text != '';

-- the text of an active reply, one row a flush and kind (text | thinking); joined when it settles
CREATE TABLE pieces (
    message INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message, rev, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations,
    endpoint TEXT NOT NULL,
    created_at REAL NOT NULL,
    message INTEGER REFERENCES messages         -- what was said; nothing while it is pending
) STRICT;
CREATE INDEX arrivals_pending ON arrivals (id) WHERE message IS NULL;

CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,                        -- open | finished (locked)
    version TEXT NOT NULL,                      -- the code its steps came from
    advance_due INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0,        -- its code has returned
    client_id TEXT UNIQUE,
    reverted_to TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    rev INTEGER NOT NULL,
    UNIQUE (endpoint, number)
) STRICT;
CREATE INDEX runs_by_rev ON runs (rev);

CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (key),
    label TEXT NOT NULL,
    key TEXT NOT NULL DEFAULT '',
    slug TEXT NOT NULL,
    kind TEXT NOT NULL,                         -- ask | form | choose | approve | job | each | llm
    state TEXT NOT NULL,                        -- open | done | running | failed | stopped | reverted, which is the
                                                -- default of the next answer
    value TEXT,                                 -- JSON; of an each and a long list the digest of its items
    digest TEXT NOT NULL DEFAULT '',            -- of what was approved, or of a job's arguments
    position INTEGER NOT NULL,                  -- in the drawing of the last advance; 0: it did not come there
    undo INTEGER NOT NULL DEFAULT 0,            -- reverted since the last answer, so Undo brings it back
    answered_at REAL,
    created_at REAL NOT NULL,
    rev INTEGER NOT NULL                        -- of the last change to an answer; a form carries the highest of its
                                                -- run, one with an older is a 409
) STRICT;
CREATE INDEX steps_by_run ON steps (run, id);
CREATE UNIQUE INDEX one_live_step ON steps (run, label, key) WHERE state != 'reverted';

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,            -- an answer has taken it
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX files_by_run ON files (run);
