/**
 * The way out of one sandbox. Connections come as streams of the pipe; each is served by the list
 * that is in force when it comes, and is cut when another list comes. With no list the door is shut.
 * Nothing a connection sends can make it throw.
 */
import type { Duplex } from 'node:stream'
import type { NetworkList } from '../../policy/index.ts'
import { deferred } from '../pipe-deferred.ts'
import type { RunCredentials } from './credentials.ts'
import { createHttpDoor, type HttpDoor } from './http-door.ts'
import { peek } from './peek.ts'
import type { RunAuthority } from './run-authority.ts'
import { type EgressRecord, Session } from './session.ts'
import { serveSocks } from './socks-door.ts'
import { SOCKS_VERSION } from './socks.ts'
import type { WayOutDeps } from './way-out.ts'

/** What the gateway holds for one run. */
export interface RunSide {
  /** By which it stands in for hosts; `undefined` where no request has to be seen. */
  authority: RunAuthority | undefined
  credentials: RunCredentials
}

export interface DoorDeps extends WayOutDeps, RunSide {
  /** Monotonic `ms` */
  now(): number
  onRecord(record: EgressRecord): void
}

export interface EgressDoor {
  /** Serves one connection; the stream belongs to the door from here on. */
  accept(client: Duplex): void
  /** What may be reached from now on. Connections of the list before are cut. */
  use(list: NetworkList | undefined): void
  /** Resolves once nothing is open, or after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>
}

export function createEgressDoor(deps: DoorDeps): EgressDoor {
  const { limits } = deps
  const live = new Set<Session>()
  const http = createHttpDoor(deps)
  let current: NetworkList | undefined
  let bytesLeft = limits.bytesMax
  const followed = new Set<Promise<void>>()
  const spend = (bytes: number) => {
    bytesLeft -= bytes
    return bytesLeft >= 0
  }
  return {
    accept(client) {
      if (current === undefined || live.size >= limits.connectionsMax || bytesLeft <= 0) {
        client.on('error', () => {}).destroy()
        return
      }
      const { now, onRecord } = deps
      const session = new Session({ client, list: current, limits, now, onRecord, spend })
      const over = session.over.then(() => void followed.delete(over))
      followed.add(over)
      live.add(session)
      session.signal.addEventListener('abort', () => live.delete(session), { once: true })
      void serve(session, { deps, http }).catch(() => session.destroy())
    },
    use(list) {
      if (list === current) return
      current = list
      for (const session of live) session.destroy()
    },
    async settled(timeoutMs) {
      if (followed.size === 0) return
      const limit = deferred<void>()
      const timer = setTimeout(limit.resolve, timeoutMs)
      await Promise.race([Promise.all(followed), limit.promise])
      clearTimeout(timer)
    },
  }
}

async function serve(
  session: Session,
  { deps, http }: { deps: DoorDeps; http: HttpDoor },
): Promise<void> {
  const { client, limits } = session
  session.arm(limits.headMs)
  const first = await peek(client, { enough: () => true, bytesMax: 1, timeoutMs: limits.headMs })
  if (first.bytes.length === 0) return session.destroy()
  if (first.bytes[0] === SOCKS_VERSION) await serveSocks(session, { deps, http })
  else http.serve(session)
}
