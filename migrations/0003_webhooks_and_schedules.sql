-- What a server tells and starts on its own: webhooks with their deliveries, schedules with their ticks.

-- The secret signs what is sent, so it is kept as it is.
CREATE TABLE webhooks (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'hook_*'),
  tenant TEXT NOT NULL,
  url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
  description TEXT,
  events TEXT NOT NULL CHECK (json_valid(events)),
  secret TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  disabled_at INTEGER,
  disabled_reason TEXT
) STRICT;
CREATE INDEX webhooks_by_tenant ON webhooks (tenant, ordinal);

-- `run_id` is a memory, not a reference: a delivery outlives the run that was removed.
CREATE TABLE webhook_deliveries (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'dlv_*'),
  webhook_id TEXT NOT NULL REFERENCES webhooks (id),
  tenant TEXT NOT NULL,
  event TEXT NOT NULL,
  run_id TEXT,
  seq INTEGER,
  body TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  next_at INTEGER,
  http_status INTEGER,
  error TEXT,
  duration_ms INTEGER,
  created_at INTEGER NOT NULL,
  settled_at INTEGER,
  CHECK ((status = 'pending') = (next_at IS NOT NULL))
) STRICT;
CREATE INDEX webhook_deliveries_by_hook ON webhook_deliveries (webhook_id, ordinal);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at)
  WHERE next_at IS NOT NULL;

CREATE TABLE schedules (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'sched_*'),
  tenant TEXT NOT NULL,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  cron TEXT NOT NULL,
  zone TEXT NOT NULL,
  missed TEXT NOT NULL CHECK (missed IN ('skip', 'run_once')),
  overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue')),
  request TEXT NOT NULL CHECK (json_valid(request)),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  next_at INTEGER,
  paused_at INTEGER,
  paused_reason TEXT,
  UNIQUE (tenant, name)
) STRICT;
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

-- One row for each tick that was reached; its key is what makes a tick happen at most once.
CREATE TABLE schedule_ticks (
  schedule_id TEXT NOT NULL REFERENCES schedules (id),
  tick_at INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (
    outcome IN ('claimed', 'waiting', 'started', 'missed', 'overlapped', 'failed')
  ),
  run_id TEXT,
  detail TEXT,
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, tick_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_ticks_open ON schedule_ticks (outcome) WHERE outcome IN ('claimed', 'waiting');
