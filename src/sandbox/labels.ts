/**
 * The only spelling of the labels on everything OpenExec creates on an engine. Whoever creates,
 * finds or removes by label goes through this file, so that nothing is left behind by a typing
 * error.
 */
import { z } from 'zod'

/** In place of a process: nobody answers for it, and it goes when it has expired. */
export const KEPT_OWNER = 'kept'

/** Written on every container and volume that belongs to a sandbox. */
export interface SandboxLabels {
  /** Hash of the state directory: which installation it belongs to. */
  instance: string
  run: string
  sandbox: string
  /** Name of the run's slot directory on the host. */
  slot: string
  /** Epoch `ms` after which nobody can need it any more. */
  expires: number
  /** The process that answers for it, as `processOwner()` writes it. */
  owner: string
  /** Digest of the confinement it was created under. */
  confinement: string
}

const LABEL = {
  instance: 'openexec.instance',
  run: 'openexec.run',
  sandbox: 'openexec.sandbox',
  slot: 'openexec.slot',
  expires: 'openexec.expires',
  owner: 'openexec.owner',
  confinement: 'openexec.confinement',
} as const satisfies Record<keyof SandboxLabels, string>

/** The engine's filter for everything that has an owner. */
export const OWNED_FILTER: string = LABEL.owner

/** The engine's filter for sandboxes that outlive their process. */
export function keptFilter(): string {
  return `${LABEL.owner}=${KEPT_OWNER}`
}

/** Labels as the engine takes them. */
export function writeLabels(labels: SandboxLabels): Record<string, string> {
  return {
    [LABEL.instance]: labels.instance,
    [LABEL.run]: labels.run,
    [LABEL.sandbox]: labels.sandbox,
    [LABEL.slot]: labels.slot,
    [LABEL.expires]: String(labels.expires),
    [LABEL.owner]: labels.owner,
    [LABEL.confinement]: labels.confinement,
  }
}

const Written = z
  .object({
    [LABEL.instance]: z.string(),
    [LABEL.run]: z.string(),
    [LABEL.sandbox]: z.string(),
    [LABEL.slot]: z.string(),
    [LABEL.expires]: z.string().regex(/^\d{1,16}$/),
    [LABEL.owner]: z.string(),
    [LABEL.confinement]: z.string(),
  })
  .transform((written): SandboxLabels => ({
    instance: written[LABEL.instance],
    run: written[LABEL.run],
    sandbox: written[LABEL.sandbox],
    slot: written[LABEL.slot],
    expires: Number(written[LABEL.expires]),
    owner: written[LABEL.owner],
    confinement: written[LABEL.confinement],
  }))

/** What the engine shows, read back; `undefined` when it is not one of ours, or was tampered with. */
export function readLabels(labels: Readonly<Record<string, string>>): SandboxLabels | undefined {
  return Written.safeParse(labels).data
}
