/** Sends a server the commit that a run is to begin with: only what it lacks, and on where it was cut off. */
import { setTimeout as wait } from 'node:timers/promises'
import { OpenExecError, UPLOAD_BYTES_MAX, type UploadOffer } from '../schema/index.ts'
import { bodyOf, type Client } from './client.ts'
import type { Checkout, PackFile } from './connect.ts'

export interface SentCommit {
  source: string
  commit: string
  anchor: string
  /** Bytes that were sent. */
  bytes: number
  /** Uncommitted files of the checkout that are no part of it. */
  left: number
}

export async function sendCommit(
  client: Client,
  checkout: Checkout,
  wanted: { ref: string | undefined; includeDirty: boolean; signal: AbortSignal },
): Promise<SentCommit> {
  const { signal, ...at } = wanted
  const { key, objectFormat, shallow, commit, anchor, left } = await checkout.offer(at)
  const json = { key, object_format: objectFormat, shallow, commit }
  const offer = await bodyOf(client.v1.uploads.$post({ json }))
  const sent = { source: offer.source, commit, anchor, left }
  if (offer.upload === undefined) return { ...sent, bytes: 0 }
  const bytesMax = Math.min(offer.max_bytes, UPLOAD_BYTES_MAX)
  const pack = await checkout.pack(commit, offer.have, bytesMax)
  await sendParts(client, { ...offer, upload: offer.upload }, { pack, signal })
  const param = { upload: offer.upload }
  await bodyOf(client.v1.uploads[':upload'].finish.$post({ param }))
  return { ...sent, bytes: pack.size }
}

/** How long a server may be away, in `ms`, and between two tries. */
const AWAY_MS_MAX = 60_000
const RETRY_MS = 500

async function sendParts(
  client: Client,
  { upload, part_bytes: partBytes }: UploadOffer & { upload: string },
  { pack, signal }: { pack: PackFile; signal: AbortSignal },
): Promise<void> {
  let offset = 0
  let awaySince: number | undefined
  while (offset < pack.size) {
    signal.throwIfAborted()
    try {
      const part = await pack.read(offset, partBytes)
      offset = await sendPart(client, upload, { offset, part })
      awaySince = undefined
    } catch (error) {
      if (!isLoss(error)) throw error
      awaySince ??= performance.now()
      if (performance.now() - awaySince > AWAY_MS_MAX) throw error
      await wait(RETRY_MS, undefined, { signal })
    }
  }
}

async function sendPart(
  client: Client,
  upload: string,
  { offset, part }: { offset: number; part: Uint8Array },
): Promise<number> {
  const init = {
    body: new Uint8Array(part),
    headers: { 'content-type': 'application/octet-stream' },
  }
  const query = { offset: String(offset) }
  const put = client.v1.uploads[':upload'].$put({ param: { upload }, query }, { init })
  const { size } = await bodyOf(put)
  if (size > offset) return size
  throw new OpenExecError('internal', 'Cannot send the commits: the server takes no more of them')
}

function isLoss(error: unknown): boolean {
  if (!(error instanceof OpenExecError)) return error instanceof TypeError
  return error.code === 'server_unreachable' || error.code === 'unavailable'
}
