/**
 * Sandboxes without a run: somebody makes one, runs commands in it, copies files in and out, and
 * it goes when it is removed or expires. Policy decides here as it does for runs: the built-in one.
 */
import { join } from 'node:path'
import { compileConfinement, defaultPolicy } from '../policy/index.ts'
import {
  type InteractiveSandbox,
  type KeptSandbox,
  type KeptSandboxes,
  type Sandboxes,
} from '../sandbox/index.ts'
import { type NewId, SandboxId, type SandboxSummary, type SandboxWish } from '../schema/index.ts'
import { noRuntime } from './no-runtime.ts'
import { type ExecOutput, serveCommand } from './serve-command.ts'

export interface DirectDeps {
  sandboxes: Sandboxes
  /** The state directory; `undefined` refuses everything. */
  root: string | undefined
  newId: NewId
  /** Whom the workspace belongs to inside. */
  userOf(id: SandboxId): { uid: number; gid: number }
}

export interface Direct {
  /** Throws `image_not_found`, `confinement_weaker`, `engine_unavailable` and their like. */
  create(wish: SandboxWish, options: { signal: AbortSignal }): Promise<SandboxSummary>
  list(options: { signal: AbortSignal }): Promise<SandboxSummary[]>
  stop(id: string, options: { signal: AbortSignal }): Promise<SandboxId>
  remove(id: string, options: { signal: AbortSignal }): Promise<SandboxId>
  /** A command by frames, to its end. Never throws: what goes wrong is the last frame. */
  exec(id: string, input: AsyncIterable<Uint8Array>, output: ExecOutput): Promise<void>
  /** Throws `not_found`, `conflict` while another process has it, `sandbox_lost`. */
  use<T>(
    id: string,
    work: (sandbox: InteractiveSandbox) => Promise<T>,
    options: { signal: AbortSignal },
  ): Promise<T>
}

export type { InteractiveSandbox }

/** Below the state directory. */
export const DIRECT_DIRECTORY = 'sandboxes'

export function createDirect(deps: DirectDeps): Direct {
  if (deps.root === undefined) return noRuntime()
  const kept: KeptSandboxes = deps.sandboxes.kept(join(deps.root, DIRECT_DIRECTORY))
  return {
    create: (wish, { signal }) => create(deps, { kept, wish }, signal),
    list: async ({ signal }) => (await kept.list({ signal })).map(summary),
    stop: (id, options) => kept.stop(id, options),
    remove: (id, options) => kept.remove(id, options),
    exec: (id, input, output) =>
      serveCommand(input, output, (work, signal) => kept.use(id, work, { signal })),
    use: (id, work, options) => kept.use(id, work, options),
  }
}

async function create(
  { sandboxes, newId, userOf }: DirectDeps,
  { kept, wish }: { kept: KeptSandboxes; wish: SandboxWish },
  signal: AbortSignal,
): Promise<SandboxSummary> {
  const id = SandboxId.parse(newId('sbx'))
  const { runtimes } = await sandboxes.facts({ signal })
  const confinement = compileConfinement(defaultPolicy(), wish.mode, {
    runtimes,
    network: undefined,
    omitsDeniedPaths: true,
  })
  const { image, lifetimeMs } = wish
  return summary(
    await kept.create({ id, image, confinement, user: userOf(id), lifetimeMs }, { signal }),
  )
}

function summary({ id, image, state, createdAt, expiresAt }: KeptSandbox): SandboxSummary {
  return { id, image, state, created_at: createdAt, expires_at: expiresAt }
}
