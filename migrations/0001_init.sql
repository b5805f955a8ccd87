-- The whole model: Session -> Task -> Run -> Step -> ToolCall -> Artifact, and the timeline.
--
-- Closed lists that cannot grow are CHECKs. Lists that grow with the product (reasons, event types,
-- artifact types) are tables, so that a later migration adds a word by INSERT and rebuilds nothing.
-- Times are epoch milliseconds.

CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reasons (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE event_types (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE artifact_types (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

INSERT INTO reasons (name) VALUES
  ('exit_nonzero'), ('lint_failed'), ('tests_failed'), ('command_not_found'), ('patch_rejected'),
  ('invalid_output'), ('agent_failed'), ('nothing_to_do'),
  ('not_configured'), ('no_model_configured'), ('image_not_found'),
  ('timed_out'), ('output_limit'), ('disk_limit'), ('out_of_memory'), ('turn_limit'),
  ('token_limit'), ('cost_limit'), ('tool_call_limit'), ('wall_limit'), ('consecutive_errors'),
  ('stuck'), ('retry_exhausted'), ('stage_execution_limit'),
  ('policy_blocked'), ('policy_violation'), ('network_unavailable'), ('confinement_unsupported'),
  ('confinement_weaker'), ('approval_required'), ('approval_rejected'), ('approval_expired'),
  ('model_error'), ('script_mismatch'), ('sandbox_failed'), ('sandbox_lost'),
  ('sandbox_protocol_error'), ('engine_failed'), ('workspace_failed'), ('state_failed'),
  ('recovered'), ('orphaned'), ('cancelled'), ('internal');

INSERT INTO event_types (name) VALUES
  ('run_created'), ('run_started'), ('run_recovered'), ('run_paused'), ('run_resumed'),
  ('run_cancel_requested'), ('run_completed'), ('step_started'), ('step_completed'),
  ('policy_check'), ('tool_call'), ('model_invocation'), ('context_view'), ('artifact_created'),
  ('command_started'), ('command_completed'), ('egress'), ('approval_requested'),
  ('approval_decided'), ('sandbox_started'), ('sandbox_receipt'), ('sandbox_removed'),
  ('workspace_created'), ('workspace_removed'), ('checkpoint'), ('notice');

INSERT INTO artifact_types (name) VALUES
  ('context_pack'), ('patch'), ('lint_report'), ('test_report'), ('command_report'),
  ('diff_report'), ('review_bundle'), ('commit'), ('summary'), ('receipt'), ('policy_snapshot'),
  ('output'), ('patch_applied'), ('tool_output'), ('transcript'), ('report');

CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY CHECK (id GLOB 'ses_*'),
  mode TEXT NOT NULL CHECK (mode IN ('chat', 'task')),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tasks (
  id TEXT NOT NULL PRIMARY KEY CHECK (id GLOB 'task_*'),
  session_id TEXT NOT NULL REFERENCES sessions (id),
  description TEXT NOT NULL,
  repo TEXT NOT NULL,
  toolset TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tasks_by_session ON tasks (session_id);

-- A run has an end exactly when no status can follow its own.
CREATE TABLE runs (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'run_*'),
  task_id TEXT NOT NULL REFERENCES tasks (id),
  blueprint TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'paused', 'awaiting_approval',
    'succeeded', 'failed', 'cancelled', 'budget_exceeded')),
  reason TEXT REFERENCES reasons (name),
  detail TEXT,
  request TEXT NOT NULL CHECK (json_valid(request)),
  base_commit TEXT,
  base_tree TEXT,
  head_tree TEXT,
  policy_hash TEXT CHECK (length(policy_hash) = 64),
  owner TEXT,
  cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  deadline_at INTEGER,
  CHECK ((ended_at IS NOT NULL) =
    (status IN ('succeeded', 'failed', 'cancelled', 'budget_exceeded')))
) STRICT;
CREATE INDEX runs_by_task ON runs (task_id);
CREATE INDEX runs_by_status ON runs (status);

-- What is left of a run that was removed: enough to recognise a timeline kept elsewhere.
CREATE TABLE purged_runs (
  run_id TEXT NOT NULL PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  last_hash TEXT NOT NULL CHECK (length(last_hash) = 64),
  purged_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One stage attempt; `attempt` counts every entry of the stage within the run.
CREATE TABLE steps (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'step_*'),
  run_id TEXT NOT NULL REFERENCES runs (id),
  stage TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) = 64),
  base_tree TEXT NOT NULL,
  verdict TEXT CHECK (verdict IN ('succeeded', 'failed', 'error', 'timed_out', 'skipped',
    'blocked', 'awaiting_approval', 'cancelled', 'budget_exceeded')),
  reason TEXT REFERENCES reasons (name),
  detail TEXT,
  tree TEXT,
  "commit" TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  UNIQUE (run_id, stage, attempt),
  CHECK ((verdict IS NULL) = (ended_at IS NULL))
) STRICT;

CREATE TABLE tool_calls (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'call_*'),
  run_id TEXT NOT NULL REFERENCES runs (id),
  step_id TEXT NOT NULL REFERENCES steps (id),
  kind TEXT NOT NULL CHECK (kind IN ('tool', 'action')),
  name TEXT NOT NULL,
  args TEXT NOT NULL CHECK (json_valid(args)),
  verdict TEXT CHECK (verdict IN ('succeeded', 'failed', 'error', 'timed_out', 'skipped',
    'blocked', 'awaiting_approval', 'cancelled', 'budget_exceeded')),
  result TEXT CHECK (json_valid(result)),
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  CHECK ((verdict IS NULL) = (ended_at IS NULL))
) STRICT;
CREATE INDEX tool_calls_by_run ON tool_calls (run_id);
CREATE INDEX tool_calls_by_step ON tool_calls (step_id);

CREATE TABLE artifacts (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'art_*'),
  run_id TEXT NOT NULL REFERENCES runs (id),
  step_id TEXT REFERENCES steps (id),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  type TEXT NOT NULL REFERENCES artifact_types (name),
  media_type TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX artifacts_by_run ON artifacts (run_id, name);
CREATE INDEX artifacts_by_step ON artifacts (step_id);
CREATE INDEX artifacts_by_content ON artifacts (sha256);

-- `position` is the commit order over all runs; `seq` is gapless from 1 in each run.
CREATE TABLE events (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL REFERENCES runs (id),
  seq INTEGER NOT NULL CHECK (seq > 0),
  ts INTEGER NOT NULL,
  type TEXT NOT NULL REFERENCES event_types (name),
  stage TEXT,
  attempt INTEGER CHECK (attempt > 0),
  cause INTEGER CHECK (cause > 0 AND cause < seq),
  payload TEXT NOT NULL,
  volatile TEXT NOT NULL,
  prev TEXT NOT NULL CHECK (length(prev) = 64),
  replay_hash TEXT NOT NULL CHECK (length(replay_hash) = 64),
  hash TEXT NOT NULL CHECK (length(hash) = 64),
  UNIQUE (run_id, seq)
) STRICT;

CREATE TRIGGER events_append BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE run_id = NEW.run_id)
  OR NEW.prev IS NOT coalesce(
    (SELECT hash FROM events WHERE run_id = NEW.run_id ORDER BY seq DESC LIMIT 1),
    '0000000000000000000000000000000000000000000000000000000000000000')
  OR EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
BEGIN
  SELECT RAISE(ABORT, 'events are append-only: the next event must continue the chain');
END;

CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only: no update');
END;

-- Whole runs may go: the transaction that removes one names it in meta first and clears it last, so
-- the permission never outlives the removal and never covers another run.
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'purging' AND value = OLD.run_id)
BEGIN
  SELECT RAISE(ABORT, 'events are append-only: no delete');
END;

CREATE TABLE approvals (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'appr_*'),
  run_id TEXT NOT NULL REFERENCES runs (id),
  step_id TEXT REFERENCES steps (id),
  stage TEXT NOT NULL,
  capability TEXT NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('none', 'risky', 'critical')),
  request_hash TEXT NOT NULL CHECK (length(request_hash) = 64),
  request TEXT NOT NULL CHECK (json_valid(request)),
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'consumed')),
  reason TEXT,
  decided_by TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > created_at),
  decided_at INTEGER,
  consumed_at INTEGER,
  CHECK ((status = 'pending') = (decided_at IS NULL)),
  CHECK ((status = 'consumed') = (consumed_at IS NOT NULL))
) STRICT;
CREATE INDEX approvals_by_run ON approvals (run_id, request_hash);
CREATE INDEX approvals_by_step ON approvals (step_id);

-- Containers that exist or may exist; a warm one belongs to no run yet.
CREATE TABLE sandboxes (
  id TEXT NOT NULL PRIMARY KEY CHECK (id GLOB 'sbx_*'),
  run_id TEXT REFERENCES runs (id),
  container TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sandboxes_by_run ON sandboxes (run_id);

-- `origin_run` is a memory, not a reference: the run may be gone before the entry.
CREATE TABLE cache_entries (
  key TEXT NOT NULL PRIMARY KEY CHECK (length(key) = 64),
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  origin_run TEXT,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_entries_by_use ON cache_entries (used_at);
