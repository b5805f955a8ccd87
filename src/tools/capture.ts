import { type ExecResult, OpenExecError } from '../schema/index.ts'
import { WORKSPACE } from './repo-path.ts'
import type { ToolContext } from './tool.ts'

export interface Captured {
  /** `undefined` when the command was stopped because it had said enough. */
  result: ExecResult | undefined
  stdout: Buffer
  stderr: Buffer
}

const STDERR_BYTES_MAX = 4096

/**
 * Runs argv in the workspace and keeps at most `bytesMax` of its output, stopping it there.
 * `undefined` when the image has no such program.
 */
export async function capture(
  { sandbox, signal }: ToolContext,
  argv: readonly string[],
  { bytesMax, timeoutMs }: { bytesMax: number; timeoutMs: number },
): Promise<Captured | undefined> {
  const enough = new AbortController()
  const streams = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  const room = { stdout: bytesMax, stderr: STDERR_BYTES_MAX }
  const captured = (result: ExecResult | undefined): Captured => ({
    result,
    stdout: Buffer.concat(streams.stdout),
    stderr: Buffer.concat(streams.stderr),
  })
  try {
    const result = await sandbox.exec({
      argv,
      env: { LC_ALL: 'C.UTF-8' },
      cwd: WORKSPACE,
      timeoutMs,
      stdin: new Uint8Array(),
      signal: AbortSignal.any([signal, enough.signal]),
      onOutput(stream, chunk) {
        const kept = chunk.slice(0, room[stream])
        room[stream] -= kept.length
        streams[stream].push(kept)
        if (stream === 'stdout' && room.stdout === 0) enough.abort()
      },
    })
    return captured(result)
  } catch (error) {
    if (enough.signal.aborted && !signal.aborted) return captured(undefined)
    if (error instanceof OpenExecError && error.code === 'command_not_startable') return undefined
    throw error
  }
}
