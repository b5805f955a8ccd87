/**
 * Readers of a stream over real WebSockets, in a thread of their own, so that reading costs the
 * server nothing. Each frame that names a number is reported when the last reader has it.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { WebSocket } from 'ws'

export interface Followers {
  /** Resolves with the moment, in `ms` since the epoch, when every reader had frame `number`. */
  all(number: number): Promise<number>
  close(): Promise<void>
}

interface Wanted {
  url: string
  token: string
  count: number
}
type Told = { type: 'open' } | { type: 'all'; number: number; at: number }

const OPEN_MS_MAX = 30_000

/** Opens `count` readers of one address; all of them are connected when this resolves. */
export async function openFollowers(wanted: Wanted): Promise<Followers> {
  const worker = new Worker(new URL(import.meta.url), { workerData: wanted })
  const arrived = new Map<number, number>()
  const waiting = new Map<number, (at: number) => void>()
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The readers did not connect')), OPEN_MS_MAX)
    worker.on('error', reject)
    worker.on('message', (told: Told) => {
      if (told.type === 'open') {
        clearTimeout(timer)
        return resolve()
      }
      arrived.set(told.number, told.at)
      waiting.get(told.number)?.(told.at)
    })
  })
  return {
    all: (number) => {
      const at = arrived.get(number)
      if (at !== undefined) return Promise.resolve(at)
      return new Promise((resolve) => waiting.set(number, resolve))
    },
    close: async () => void (await worker.terminate()),
  }
}

/** Of an `event` frame, the number of its event; of anything else its own `n`. */
function numberOf(text: string): number | undefined {
  const frame: unknown = JSON.parse(text)
  const event: unknown = Reflect.get(Object(frame), 'event')
  const number: unknown = Reflect.get(Object(event), 'seq') ?? Reflect.get(Object(frame), 'n')
  return typeof number === 'number' ? number : undefined
}

function read({ url, token, count }: Wanted, tell: (told: Told) => void): void {
  const have = new Map<number, number>()
  let open = 0
  for (let index = 0; index < count; index++) {
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } })
    socket.on('open', () => ++open === count && tell({ type: 'open' }))
    socket.on('error', (error) => {
      throw error
    })
    socket.on('message', (data: Buffer) => {
      const number = numberOf(data.toString('utf8'))
      if (number === undefined) return
      const readers = (have.get(number) ?? 0) + 1
      have.set(number, readers)
      if (readers === count)
        tell({ type: 'all', number, at: performance.timeOrigin + performance.now() })
    })
  }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  // What the main thread gave this one a moment ago.
  read(workerData as Wanted, (told) => port.postMessage(told))
}
