/**
 * Packs that clients send, part by part, until they are whole. What has arrived is bytes in a file and
 * nothing else; only when it is finished does git look at it, in the quarantine of the workspaces. A
 * part that is sent again changes nothing, so whoever lost the connection goes on where it was.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  type OfferUpload,
  OpenExecError,
  type Tenant,
  UPLOAD_BYTES_MAX,
  UPLOAD_PART_BYTES,
  type UploadOffer,
} from '../schema/index.ts'
import type { KeptSource, Workspaces } from '../workspace/index.ts'
import { atMost } from './at-most.ts'
import { openUploadFiles } from './upload-files.ts'

export interface Uploads {
  /** Throws `too_busy` with as many open as there may be, `too_large` when the tenant keeps too much. */
  offer(tenant: Tenant, request: OfferUpload): UploadOffer
  /** Throws `conflict` for a part that leaves a gap, `too_large`, `not_found`. */
  write(
    tenant: Tenant,
    id: string,
    part: { offset: number; bytes: Uint8Array },
  ): Promise<{ size: number }>
  /** Throws `bad_request` for a pack that is unsound; the upload is over then. */
  finish(
    tenant: Tenant,
    id: string,
    signal: AbortSignal,
  ): Promise<{ source: string; commit: string }>
  /** Root of the repository a commit was sent of. Throws `not_found`. */
  rootOf(tenant: Tenant, sent: { source: string; commit: string }): string
}

/** Uploads of one tenant that go on at once. */
const OPEN_MAX = 8
/** Bytes of all repositories that are kept for a tenant. */
const KEPT_BYTES_MAX = 20 * 1024 ** 3
/** Packs that git looks at at once, of all tenants. */
const CHECKED_AT_ONCE = 2

export function createUploads(deps: {
  workspaces: Workspaces
  /** The state directory. */
  root: string
  now: Clock
}): Uploads {
  const { workspaces, now } = deps
  const files = openUploadFiles(join(deps.root, 'uploads'))
  const check = atMost(CHECKED_AT_ONCE)
  const alone = oneAtATime()
  return {
    offer(tenant, request) {
      const kept = keptOf(workspaces, tenant, request)
      const held = workspaces.isHeld(kept, request.commit)
      const told = {
        source: kept.id,
        held,
        have: workspaces.heldCommits(kept),
        part_bytes: UPLOAD_PART_BYTES,
        max_bytes: UPLOAD_BYTES_MAX,
      }
      if (held) return told
      files.sweep(now())
      if (files.count(tenant) >= OPEN_MAX) throw tooMany()
      refuseTooMuch(workspaces.keptBytes(tenant))
      return { ...told, upload: files.create({ tenant, offer: request }) }
    },
    write: (tenant, id, part) =>
      alone(id, async () => {
        files.offerOf(tenant, id)
        return { size: await files.write(id, part) }
      }),
    finish: (tenant, id, signal) =>
      alone(id, async () => {
        const offer = files.offerOf(tenant, id)
        const kept = keptOf(workspaces, tenant, offer)
        const packFile = files.packFile(id)
        const { commit } = offer
        try {
          if (!existsSync(packFile))
            throw new OpenExecError('bad_request', 'Cannot finish the upload: nothing was sent')
          await check(() => workspaces.receiveCommit(kept, { commit, packFile, signal }))
          return { source: kept.id, commit }
        } finally {
          files.remove(id)
        }
      }),
    rootOf(tenant, { source, commit }) {
      const kept = workspaces.findKept(source, tenant)
      if (kept !== undefined && workspaces.isHeld(kept, commit)) return kept.root
      throw new OpenExecError('not_found', `Cannot find commit ${commit} of source "${source}"`, {
        hint: 'Send it with POST /v1/uploads first',
        details: { field: 'repo.source' },
      })
    },
  }
}

function keptOf(workspaces: Workspaces, tenant: Tenant, request: OfferUpload): KeptSource {
  const { key: name, object_format: objectFormat, shallow, commit } = request
  const length = objectFormat === 'sha1' ? 40 : 64
  if ([name, commit, ...shallow].some((oid) => oid.length !== length))
    throw new OpenExecError('bad_request', `Cannot read the offer: ids of ${objectFormat} expected`)
  return workspaces.keepSource({ tenant, kind: 'upload', name, objectFormat, shallow })
}

/** What is done to one upload is done one thing after the other. Throws `conflict`. */
function oneAtATime(): <T>(id: string, work: () => Promise<T>) => Promise<T> {
  const busy = new Set<string>()
  return async (id, work) => {
    if (busy.has(id))
      throw new OpenExecError('conflict', 'Cannot use the upload: another request does', {
        hint: 'Send its parts one after the other',
      })
    busy.add(id)
    try {
      return await work()
    } finally {
      busy.delete(id)
    }
  }
}

function tooMany(): OpenExecError {
  return new OpenExecError('too_busy', `Cannot begin an upload: ${OPEN_MAX} go on`, {
    hint: 'Finish them, or wait: what nothing arrives of for an hour is given up',
    details: { retry_after: 60 },
  })
}

/** Throws `too_large`. */
export function refuseTooMuch(bytes: number): void {
  if (bytes <= KEPT_BYTES_MAX) return
  throw new OpenExecError(
    'too_large',
    `Cannot keep more: ${bytes} bytes of repositories are kept`,
    {
      hint: 'Remove old runs with `openexec gc`; repositories nothing refers to go with them',
    },
  )
}
