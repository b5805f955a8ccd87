/** A ToolContext over a local sandbox, with a small honest gate and everything it was asked kept. */
import { createHash } from 'node:crypto'
import type { PolicyDecision } from '../../src/schema/index.ts'
import {
  findToolset,
  type GateRequest,
  type Tool,
  type ToolContext,
} from '../../src/tools/index.ts'
import type { LocalSandbox } from './local-sandbox.ts'

export interface ToolWorld {
  context: ToolContext
  /** Every access asked for, as `decision capability subject resource`. */
  gated: string[]
  /** Whole outputs, by hash. */
  kept: Map<string, Uint8Array>
  /** Names of actions that ran. */
  actions: string[]
}

export interface ToolWorldOptions {
  toolset: string
  /** Prefixes of paths nobody may read. */
  denyRead: readonly string[]
  /** Prefixes of paths nobody may write. */
  denyWrite: readonly string[]
  runAction: ToolContext['runAction']
  extras: readonly Tool[]
  /** Capabilities beyond the usual ones. */
  allow: readonly string[]
}

const KNOWN: readonly string[] = ['repo_read', 'repo_write', 'process_exec', 'model_call']

const DEFAULTS: ToolWorldOptions = {
  toolset: 'coding_backend',
  denyRead: [],
  denyWrite: [],
  runAction: async (name) => ({ ok: true, text: `${name} passed` }),
  extras: [],
  allow: [],
}

export function toolWorld(
  sandbox: LocalSandbox,
  overrides: Partial<ToolWorldOptions> = {},
): ToolWorld {
  const options = { ...DEFAULTS, ...overrides }
  const gated: string[] = []
  const actions: string[] = []
  const kept = new Map<string, Uint8Array>()
  const below = (prefixes: readonly string[], path: string) =>
    prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))

  const gate = async (request: GateRequest): Promise<PolicyDecision> => {
    const { capability, resource, subject } = request
    const path = resource.kind === 'path' ? resource.path : undefined
    const denied =
      path !== undefined &&
      (below(options.denyRead, path) ||
        (capability === 'repo_write' && below(options.denyWrite, path)))
    const known = KNOWN.concat(options.allow).includes(capability)
    const decision = known && !denied ? 'allow' : 'block'
    gated.push(`${decision} ${capability} ${subject} ${JSON.stringify(resource)}`)
    return {
      decision,
      level: 'none',
      capability,
      matched: ['test'],
      reason: decision === 'allow' ? 'Allowed' : 'The path is denied',
    }
  }
  const context: ToolContext = {
    toolset: findToolset(options.toolset),
    extras: options.extras,
    sandbox,
    gate,
    mayRead: (path) => !below(options.denyRead, path),
    changes: async () => [],
    patch: async () => new Uint8Array(),
    log: async () => '',
    async runAction(name) {
      actions.push(name)
      return await options.runAction(name)
    },
    async saveOutput(_name, bytes) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      kept.set(sha256, bytes)
      return { id: `art_${kept.size}`, sha256 }
    },
    async readArtifact(sha256, { offset, length }) {
      const bytes = kept.get(sha256)
      if (bytes === undefined) return undefined
      return { bytes: bytes.slice(offset, offset + length), size: bytes.length }
    },
    signal: new AbortController().signal,
    now: () => performance.now(),
  }
  return { context, gated, kept, actions }
}
