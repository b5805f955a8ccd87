/** What a server lists, held against what the lock says it listed when a person looked. */
import { canonicalJson, hashJson, McpLock, McpPins, OpenExecError } from '../../schema/index.ts'

export const LOCK_FILE = 'openexec.lock'

/** Over the whole list, so that a tool that changes its name is noticed, too. */
export function pinsHash(pins: McpPins): string {
  return hashJson(pins)
}

/** A list from outside in the form that is pinned. Throws `bad_request` for one that cannot be. */
export function pinsOf(listed: readonly unknown[]): McpPins {
  const parsed = McpPins.safeParse(listed.map(partsOf))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const at = issue?.path.join('.') ?? ''
    throw new OpenExecError('bad_request', `Cannot pin its tools: ${at}: ${issue?.message ?? ''}`)
  }
  const pins = parsed.data.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const twice = pins.find(({ name }, index) => pins[index + 1]?.name === name)
  if (twice === undefined) return pins
  throw new OpenExecError('bad_request', `Cannot pin its tools: "${twice.name}" is listed twice`)
}

function partsOf(tool: unknown): unknown {
  const part = (name: string): unknown => Reflect.get(Object(tool), name)
  const annotations = part('annotations')
  return {
    name: part('name'),
    description: part('description') ?? '',
    inputSchema: part('inputSchema'),
    ...(annotations !== undefined && { annotations }),
  }
}

/** Lines that say how two lists differ; none when they are the same. */
export function pinsDifference(pinned: McpPins, listed: McpPins): string[] {
  const before = new Map(pinned.map((pin) => [pin.name, pin]))
  const after = new Map(listed.map((pin) => [pin.name, pin]))
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)]
    if (was === undefined) return [`+ ${name}`]
    if (is === undefined) return [`- ${name}`]
    return (['description', 'inputSchema', 'annotations'] as const).flatMap((part) => {
      const texts = [was[part], is[part]].map((value) => canonicalJson(value ?? null))
      if (texts[0] === texts[1]) return []
      return [`~ ${name}.${part}: ${shown(texts[0])} -> ${shown(texts[1])}`]
    })
  })
}

const SHOWN_CHARS = 200

function shown(text = ''): string {
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`
}

/** Throws `config_invalid` when it is no lock, or its hashes are not those of its lists. */
export function readLock(text: string): McpLock {
  const invalid = (why: string, cause?: unknown) =>
    new OpenExecError('config_invalid', `Cannot read "${LOCK_FILE}": ${why}`, {
      cause,
      hint: 'Make it anew with `openexec mcp lock`, and look at what changed',
    })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid('it is no JSON', cause)
  }
  const parsed = McpLock.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  for (const [name, { hash, tools }] of Object.entries(parsed.data.mcp))
    if (pinsHash(tools) !== hash)
      throw invalid(`the hash of server "${name}" is not that of its tools`)
  return parsed.data
}
