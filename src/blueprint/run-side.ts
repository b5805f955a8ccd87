/**
 * What the gateway holds for one run: the values of its secrets, and an authority to stand in for the
 * hosts whose requests it must see. Made when the run begins, in memory, and made anew by whoever goes
 * on with it.
 */
import { createHash } from 'node:crypto'
import type { RunRedactors } from '../events/index.ts'
import { seenNames } from '../policy/index.ts'
import { createRunAuthority, type HeldSecret, type RunSide } from '../sandbox/index.ts'
import type { Run } from '../schema/index.ts'
import type { FrozenRun } from './frozen-run.ts'
import { type SecretSources, secretValues } from './secret-values.ts'

export interface RunSideDeps {
  secretSources: SecretSources
  redactors: RunRedactors
  now(): number
}

/** Throws what `secretValues()` throws. From here on the values are kept out of the run's record. */
export async function openRunSide(
  { secretSources: sources, redactors, now }: RunSideDeps,
  { run, frozen: { policy } }: { run: Run; frozen: FrozenRun },
  signal: AbortSignal,
): Promise<RunSide> {
  const { id, tenant } = run
  const reader = { sources, tenant }
  const values = await secretValues(policy, reader, { which: 'all', signal })
  redactors.keep(id, values)
  const secrets = values.map(({ name, value }): HeldSecret => ({
    name,
    value,
    placeholder: placeholderOf(id, name),
  }))
  const names = seenNames(policy)
  return {
    authority:
      names.length === 0
        ? undefined
        : createRunAuthority({ names, now, validMs: policy.limits.wall }),
    credentials: { secrets, mask: () => redactors.of(id).mask() },
  }
}

/** The same whoever goes on with the run: programs may still hold it. */
function placeholderOf(run: string, name: string): string {
  const hash = createHash('sha256').update(`${run}\n${name}`).digest('hex')
  return `openexec-secret-${name}-${hash.slice(0, 32)}`
}
