import { createHash } from 'node:crypto'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Document } from '../schema/index.ts'

const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/**
 * Keeps a document that came over the network below the state directory and gives its path. The same
 * text is kept once, under a name that no caller chooses the place of.
 */
export function storeDocument(root: string, { file, text }: Document, fallback: string): string {
  const hash = createHash('sha256').update(text).digest('hex')
  const name = basename(file.replaceAll('\\', '/'))
  const directory = join(root, 'documents', hash)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, SAFE_NAME.test(name) ? name : fallback)
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    // As young as a new one, so that it is not removed before its run is written.
    const now = new Date()
    utimesSync(directory, now, now)
  }
  return path
}
