/**
 * Which secrets are kept out of what. Some belong to the whole program, some to one run while this
 * process has it: nobody can learn from what is replaced in another run's output what its secrets are.
 */
import type { RunId } from '../schema/index.ts'
import { createRedactor, type Redactor } from './redact.ts'
import type { Secret } from './secret-patterns.ts'

export interface RunRedactors {
  /** Of the program and of this run. */
  of(runId: RunId): Redactor
  /** Everything that is known now, for what belongs to no run: logs and errors. */
  text(value: string): string
  /** Throws `config_invalid` for a secret that could not be recognised. */
  keep(runId: RunId, secrets: readonly Secret[]): void
  forget(runId: RunId): void
}

export function createRunRedactors(common: readonly Secret[]): RunRedactors {
  const base = createRedactor(common)
  const kept = new Map<RunId, Redactor>()
  return {
    of: (runId) => kept.get(runId) ?? base,
    text: (value) => [...kept.values()].reduce((text, one) => one.text(text), base.text(value)),
    keep(runId, secrets) {
      if (secrets.length === 0) kept.delete(runId)
      else kept.set(runId, createRedactor([...common, ...secrets]))
    },
    forget: (runId) => void kept.delete(runId),
  }
}
