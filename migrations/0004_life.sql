-- What another process needs to go on with a command whose orchestrator died: how its sandbox is
-- found again, and which command of which step runs under which channel of its pipe.

CREATE TABLE sandbox_sessions (
  sandbox_id TEXT NOT NULL PRIMARY KEY REFERENCES sandboxes (id) ON DELETE CASCADE,
  session TEXT NOT NULL CHECK (json_valid(session))
) STRICT, WITHOUT ROWID;

-- Rows of steps that are open; they go when their step ends. With a result the command has ended,
-- its output is stored, and its end is told.
CREATE TABLE running_commands (
  step_id TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  sandbox_id TEXT NOT NULL,
  channel INTEGER NOT NULL CHECK (channel > 0),
  started_at INTEGER NOT NULL,
  result TEXT CHECK (json_valid(result)),
  PRIMARY KEY (step_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX running_commands_by_run ON running_commands (run_id);
