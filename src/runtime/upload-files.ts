/** The files of uploads below the state directory: what was offered, and what has arrived of it. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { OfferUpload, OpenExecError, Tenant, UPLOAD_BYTES_MAX } from '../schema/index.ts'

const Offered = z.object({ tenant: Tenant, offer: OfferUpload })
type Offered = z.infer<typeof Offered>

/** For how long nothing may arrive, in `ms`. */
const IDLE_MS_MAX = 3_600_000

export interface UploadFiles {
  create(offered: Offered): string
  /** Throws `not_found` also for one of another tenant. */
  offerOf(tenant: Tenant, id: string): OfferUpload
  packFile(id: string): string
  /** What it holds already is not written again. Throws `conflict` for a gap, `too_large`. */
  write(id: string, part: { offset: number; bytes: Uint8Array }): Promise<number>
  remove(id: string): void
  /** Those of a tenant that go on. */
  count(tenant: Tenant): number
  /** Removes those of which nothing has arrived for long. */
  sweep(now: number): void
}

export function openUploadFiles(directory: string): UploadFiles {
  const placeOf = (id: string): string => join(directory, id)
  const packFile = (id: string): string => join(placeOf(id), 'pack')
  const read = (id: string): Offered | undefined => {
    try {
      const text = readFileSync(join(placeOf(id), 'offer.json'), 'utf8')
      return Offered.parse(JSON.parse(text))
    } catch {
      return undefined
    }
  }
  const remove = (id: string): void => rmSync(placeOf(id), { recursive: true, force: true })
  return {
    packFile,
    remove,
    create(offered) {
      const id = randomBytes(16).toString('hex')
      mkdirSync(placeOf(id), { recursive: true, mode: 0o700 })
      writeFileSync(join(placeOf(id), 'offer.json'), JSON.stringify(offered), { mode: 0o600 })
      return id
    },
    offerOf(tenant, id) {
      const offered = /^[0-9a-f]{32}$/.test(id) ? read(id) : undefined
      if (offered?.tenant === tenant) return offered.offer
      throw new OpenExecError('not_found', `Cannot find upload "${id.slice(0, 64)}"`, {
        hint: 'Offer it again with POST /v1/uploads',
      })
    },
    async write(id, part) {
      const file = await open(packFile(id), 'a+', 0o600)
      try {
        return await append(file, part)
      } finally {
        await file.close()
      }
    },
    count: (tenant) => idsIn(directory).filter((id) => read(id)?.tenant === tenant).length,
    sweep(now) {
      for (const id of idsIn(directory)) {
        const stats = [packFile(id), placeOf(id)].map((path) =>
          statSync(path, { throwIfNoEntry: false }),
        )
        const last = Math.max(...stats.map((stat) => stat?.mtimeMs ?? 0))
        if (now - last > IDLE_MS_MAX) remove(id)
      }
    },
  }
}

function idsIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9a-f]{32}$/.test(name))
  } catch {
    return []
  }
}

async function append(
  file: FileHandle,
  { offset, bytes }: { offset: number; bytes: Uint8Array },
): Promise<number> {
  const { size } = await file.stat()
  if (offset > size)
    throw new OpenExecError('conflict', `Cannot write at ${offset}: only ${size} bytes are there`, {
      hint: 'Go on where it ends',
      details: { size },
    })
  const fresh = bytes.subarray(size - offset)
  if (size + fresh.length > UPLOAD_BYTES_MAX)
    throw new OpenExecError(
      'too_large',
      `Cannot take the upload: it has more than ${UPLOAD_BYTES_MAX} bytes`,
      { hint: 'Let the server fetch the repository by its address' },
    )
  await file.appendFile(fresh)
  return size + fresh.length
}
