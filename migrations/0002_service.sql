-- What a server needs: tenants, tokens, the queue, idempotency, and the record of what administrators do.
-- Steps, events, artifacts and approvals belong to a run and have their tenant through it.

ALTER TABLE sessions ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
ALTER TABLE tasks ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
ALTER TABLE runs ADD COLUMN tenant TEXT NOT NULL DEFAULT 'default';
CREATE INDEX runs_by_tenant ON runs (tenant, ordinal);
CREATE INDEX runs_by_tenant_status ON runs (tenant, status, ordinal);

INSERT INTO reasons (name) VALUES ('queue_expired');

-- Only the SHA-256 of a token is kept.
CREATE TABLE tokens (
  ordinal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (id GLOB 'tok_*'),
  tenant TEXT NOT NULL,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  scopes TEXT NOT NULL CHECK (json_valid(scopes)),
  created_at INTEGER NOT NULL,
  expires_at INTEGER CHECK (expires_at > created_at),
  revoked_at INTEGER,
  used_at INTEGER
) STRICT;
CREATE INDEX tokens_by_tenant ON tokens (tenant, ordinal);

-- Runs that wait for a server to execute them.
CREATE TABLE queue_entries (
  ordinal INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE REFERENCES runs (id),
  tenant TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
  enqueued_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT;
CREATE INDEX queue_entries_by_tenant ON queue_entries (tenant, priority DESC, ordinal);

-- `run_id` is a memory, not a reference: a key outlives the run that was removed.
CREATE TABLE idempotency_keys (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_hash TEXT NOT NULL CHECK (length(request_hash) = 64),
  run_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE audit_entries (
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT,
  request_id TEXT,
  details TEXT NOT NULL CHECK (json_valid(details))
) STRICT;
CREATE INDEX audit_entries_by_tenant ON audit_entries (tenant, ordinal);

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'audit entries are append-only: no update');
END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN
  SELECT RAISE(ABORT, 'audit entries are append-only: no delete');
END;
