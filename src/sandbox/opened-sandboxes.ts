import { OpenExecError } from '../schema/index.ts'
import type { DockerSandbox } from './docker-sandbox.ts'
import { cancelledError } from './engine-call.ts'

/** Every sandbox of this process, also those that are still being opened. */
export class Opened {
  #closing = new AbortController()
  #opening = new Map<string, Promise<DockerSandbox>>()
  #open = new Map<string, DockerSandbox>()

  async add(
    id: string,
    signal: AbortSignal,
    open: (signal: AbortSignal) => Promise<DockerSandbox>,
  ): Promise<DockerSandbox> {
    if (this.#closing.signal.aborted) throw cancelledError('open a sandbox', this.#closing.signal)
    const opening = open(AbortSignal.any([signal, this.#closing.signal]))
    this.#opening.set(id, opening)
    try {
      const sandbox = await opening
      this.#open.set(id, sandbox)
      return sandbox
    } finally {
      this.#opening.delete(id)
    }
  }

  has(id: string): boolean {
    return this.#opening.has(id) || this.#open.has(id)
  }

  get(id: string): DockerSandbox | undefined {
    return this.#open.get(id)
  }

  delete(id: string): void {
    this.#open.delete(id)
  }

  async close(): Promise<void> {
    this.#closing.abort(new OpenExecError('cancelled', 'Cannot open a sandbox: OpenExec is ending'))
    await Promise.allSettled(this.#opening.values())
    const closed = await Promise.allSettled([...this.#open.values()].map((one) => one.close()))
    const failures = closed.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    if (failures.length === 0) return
    throw new OpenExecError('engine_failed', `Cannot remove ${failures.length} sandboxes`, {
      hint: 'Run `openexec gc` when the engine answers again',
      cause: new AggregateError(failures),
    })
  }
}
