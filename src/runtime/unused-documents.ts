import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { RunRequest } from '../schema/index.ts'

const HASH = /documents\/([0-9a-f]{64})\//g
const NAME = /^[0-9a-f]{64}$/

/**
 * Removes documents that no run names any more. One that was asked for since `before` (epoch `ms`)
 * stays: its run may be about to be written.
 */
export function removeUnusedDocuments(
  root: string,
  { requests, before }: { requests: readonly RunRequest[]; before: number },
): string[] {
  const directory = join(root, 'documents')
  const used = new Set(
    requests.flatMap((request) =>
      [...JSON.stringify(request).matchAll(HASH)].map(([, hash]) => hash),
    ),
  )
  return namesIn(directory).filter((name) => {
    const path = join(directory, name)
    if (!NAME.test(name) || used.has(name) || isYoung(path, before)) return false
    rmSync(path, { recursive: true, force: true })
    return true
  })
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function isYoung(path: string, before: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && found.mtimeMs >= before
}
