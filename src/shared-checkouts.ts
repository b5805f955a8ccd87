/** Whether workspaces may lie over shared checkouts: tried once per start of the machine, and kept. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Sandboxes } from './sandbox/index.ts'
import { probeOverlay, SEED_ENTRIES_MIN } from './workspace/index.ts'

/** A warm sandbox waits over an empty directory: so many files are written while one would start. */
const POOLED_ENTRIES_MIN = 8_000

const Kept = z.object({ key: z.string(), evidence: z.string() })

/** `engine` names the engine that is asked; another one is tried anew. */
export function sharedCheckouts(
  root: string,
  { engine, pooled, sandboxes }: { engine: unknown; pooled: boolean; sandboxes(): Sandboxes },
) {
  let known: { usable: boolean; why: string } | undefined
  const look = async (signal: AbortSignal) => {
    const key = JSON.stringify([placeKey(), engine])
    const directory = join(root, 'seeds')
    const file = join(directory, 'usable.json')
    const kept = readKept(file)
    if (kept?.key === key) return { usable: true, why: kept.evidence }
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { has, evidence } = await probeOverlay(join(directory, `probe-${randomUUID()}`), (seen) =>
      sandboxes().sees(seen, { signal }),
    )
    // What cannot be done now may be possible at the next start: only the good news is kept.
    if (has === 'yes') writeKept(file, { key, evidence })
    return { usable: has === 'yes', why: evidence }
  }
  return {
    entriesMin: pooled ? POOLED_ENTRIES_MIN : SEED_ENTRIES_MIN,
    usable: async (signal: AbortSignal) => {
      if (known !== undefined) return known
      try {
        known = await look(signal)
        return known
      } catch (error) {
        signal.throwIfAborted()
        // Without an engine the run has other words for that; nothing was learnt here.
        return { usable: false, why: error instanceof Error ? error.message : String(error) }
      }
    },
  }
}

function readKept(file: string): z.infer<typeof Kept> | undefined {
  try {
    return Kept.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

function writeKept(file: string, kept: z.infer<typeof Kept>): void {
  const draft = `${file}.${process.pid}.tmp`
  writeFileSync(draft, JSON.stringify(kept), { mode: 0o600 })
  renameSync(draft, file)
}

/** This start of the machine, and whose mounts this process sees. */
function placeKey(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/mnt')} ${process.getuid?.()}`
  } catch {
    return randomUUID()
  }
}
