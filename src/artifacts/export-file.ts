import { link, open, rm } from 'node:fs/promises'
import { OpenExecError } from '../schema/index.ts'
import { fileErrorCode } from './file-errors.ts'

/**
 * Writes to a path of the user: whole or not at all, and never in the place of something else.
 * Throws `conflict` when the path is taken, `bad_request` when it cannot be written.
 */
export async function exportFile(content: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const fresh = `${path}.${process.pid}.part`
  try {
    const handle = await open(fresh, 'wx', 0o644)
    try {
      for await (const chunk of content) await handle.writeFile(chunk)
    } finally {
      await handle.close()
    }
    await link(fresh, path)
  } catch (error) {
    throw translate(error, path)
  } finally {
    await rm(fresh, { force: true })
  }
}

function translate(error: unknown, path: string): unknown {
  if (error instanceof OpenExecError) return error
  if (fileErrorCode(error) === 'EEXIST')
    return new OpenExecError('conflict', `Cannot write "${path}": it exists already`, {
      hint: 'Name another file, or remove this one first',
      cause: error,
    })
  return new OpenExecError('bad_request', `Cannot write "${path}"`, {
    hint: 'Name a file in a directory that exists and that you may write to',
    cause: error,
  })
}
