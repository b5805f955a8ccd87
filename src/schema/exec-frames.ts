/**
 * A command in a sandbox as a client of the API sees it: one request whose body carries what goes
 * in, one answer whose body carries what comes out, both as frames `type u8 | length u32 |
 * payload`. The first frame in is START, the last one out is EXITED or FAILED.
 */
import { z } from 'zod'
import { SandboxMode } from './policy.ts'
import { SandboxId } from './ids.ts'
import { OpenExecError } from './errors.ts'

/** Client to server; START, RESIZE and SIGNAL carry JSON. */
export const EXEC_TO = { start: 0, stdin: 1, end: 2, resize: 3, signal: 4 } as const
/** Server to client; EXITED carries an `ExecResult`, FAILED an `ErrorBody`. */
export const EXEC_FROM = { stdout: 1, stderr: 2, exited: 3, failed: 4 } as const

export const TerminalSize = z.strictObject({
  rows: z.number().int().min(1).max(0xffff),
  columns: z.number().int().min(1).max(0xffff),
})
export type TerminalSize = z.infer<typeof TerminalSize>

export const ExecStart = z.strictObject({
  argv: z.array(z.string()).min(1),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  cwd: z.string().startsWith('/').default('/workspace'),
  /** `ms` */
  timeoutMs: z.number().int().min(1).max(2_147_483_647).default(2_147_483_647),
  /** Whether STDIN frames follow; without it the command reads an empty input. */
  stdin: z.boolean().default(false),
  terminal: TerminalSize.optional(),
})
export type ExecStart = z.infer<typeof ExecStart>

export const ExecSignal = z.strictObject({ name: z.string().regex(/^SIG[A-Z0-9]{2,8}$/) })

const LIFETIME_MS_MAX = 7 * 24 * 3_600_000

/** A sandbox without a run. */
export const SandboxWish = z.strictObject({
  image: z.string().min(1).max(255).default('base'),
  mode: SandboxMode.default('workspace_write'),
  /** `ms` after which it ends by itself. */
  lifetimeMs: z.number().int().min(1_000).max(LIFETIME_MS_MAX).default(3_600_000),
})
export type SandboxWish = z.infer<typeof SandboxWish>

export const SandboxSummary = z.object({
  id: SandboxId,
  image: z.string(),
  state: z.enum(['running', 'stopped']),
  /** Epoch `ms` */
  created_at: z.number(),
  expires_at: z.number(),
})
export type SandboxSummary = z.infer<typeof SandboxSummary>

const HEADER_BYTES = 5
const PAYLOAD_BYTES_MAX = 1024 * 1024

export function encodeExecFrame(
  type: number,
  payload: Uint8Array | object,
): Uint8Array<ArrayBuffer> {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload))
  const frame = Buffer.alloc(HEADER_BYTES + bytes.length)
  frame[0] = type
  frame.writeUInt32BE(bytes.length, 1)
  frame.set(bytes, HEADER_BYTES)
  return frame
}

/** Throws `bad_request` for a frame that is too long, or cut off at the end. */
export async function* decodeExecFrames(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ type: number; payload: Buffer }, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(1)
      if (length > PAYLOAD_BYTES_MAX) throw unreadable(`a frame has ${length} bytes`)
      const end = HEADER_BYTES + length
      if (rest.length < end) break
      yield { type: rest[0] ?? 0, payload: rest.subarray(HEADER_BYTES, end) }
      rest = rest.subarray(end)
    }
  }
  if (rest.length > 0) throw unreadable('a frame is cut off')
}

/** The JSON of a frame. Throws `bad_request`. */
export function readExecJson<Schema extends z.ZodType>(
  schema: Schema,
  payload: Buffer,
): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(payload.toString('utf8')))
  } catch (cause) {
    throw unreadable('a frame does not say what it should', cause)
  }
}

function unreadable(why: string, cause?: unknown): OpenExecError {
  return new OpenExecError('bad_request', `Cannot read the stream of a command: ${why}`, { cause })
}
