/** The door of one sandbox of a run: opened when a stage first may reach something, told in events. */
import type { NetworkList } from '../policy/index.ts'
import { type NewEvent, OpenExecError } from '../schema/index.ts'
import type { EgressDoor, Gateway, RunSide, Sandbox } from '../sandbox/index.ts'
import { createEgressLog } from './egress-log.ts'
import { trustIn } from './sandbox-trust.ts'

export interface SandboxEgress {
  /** The sandbox as a stage sees it. Throws with reason `network_unavailable`. */
  use(list: NetworkList): Promise<Sandbox>
  /** Shuts the door and writes what is not written yet. */
  end(): Promise<void>
}

/** Connections of a command that has ended are given this time to be counted, in `ms`. */
const SETTLE_MS = 500

export function createSandboxEgress(
  sandbox: Sandbox,
  {
    gateway,
    side,
    write,
  }: { gateway: Gateway; side: RunSide; write(events: readonly NewEvent[]): void },
): SandboxEgress {
  const log = createEgressLog()
  let door: EgressDoor | undefined
  const flush = async () => {
    if (door === undefined) return
    await door.settled(SETTLE_MS)
    const events = log.take()
    if (events.length > 0) write(events)
  }
  return {
    async use(list) {
      if (door === undefined && list.hosts.length === 0) return sandbox
      if (door === undefined) {
        door = gateway.door(side, log.add)
        await openIn(sandbox, door)
      }
      // Anew for each stage: what the one before did to its files is not passed on.
      const env = await trustIn(sandbox, side)
      door.use(list)
      return recorded(sandbox, { env, flush })
    },
    async end() {
      door?.use(undefined)
      await flush()
    },
  }
}

async function openIn(sandbox: Sandbox, door: EgressDoor): Promise<void> {
  try {
    await sandbox.openEgress((connection) => door.accept(connection))
  } catch (cause) {
    if (cause instanceof OpenExecError && cause.code !== 'sandbox_failed') throw cause
    throw new OpenExecError('sandbox_failed', 'Cannot open the way out of the sandbox', {
      hint: 'Set "network: []" on the stage if it needs none',
      cause,
      details: { reason: 'network_unavailable' },
    })
  }
}

/** Writes what a command wanted of the network when it has ended, whatever way. */
function recorded(
  sandbox: Sandbox,
  { env, flush }: { env: Readonly<Record<string, string>>; flush(): Promise<void> },
): Sandbox {
  return {
    id: sandbox.id,
    receipt: sandbox.receipt,
    async exec(request) {
      try {
        return await sandbox.exec({ ...request, env: { ...env, ...request.env } })
      } finally {
        await flush()
      }
    },
    readFile: (path, options) => sandbox.readFile(path, options),
    writeFile: (path, content, options) => sandbox.writeFile(path, content, options),
    removeFile: (path) => sandbox.removeFile(path),
    list: (path) => sandbox.list(path),
    stat: (path) => sandbox.stat(path),
    openEgress: (onEgress) => sandbox.openEgress(onEgress),
    close: () => sandbox.close(),
  }
}
