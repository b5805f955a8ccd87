import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { DirectoryEntry } from '../sandbox/index.ts'
import { PathInput } from './path-input.ts'
import { isGitDirectory, workspacePath } from './repo-path.ts'
import { DEFAULT_TOOL_LIMITS, defineTool, readAccess } from './tool.ts'

const ENTRIES_MAX = 2000

export const listDirectoryTool = defineTool({
  name: 'list_directory',
  description: 'Lists one directory: names, "/" behind directories, sizes of files.',
  input: z.strictObject({ path: PathInput.optional() }),
  capability: 'repo_read',
  effect: 'read',
  limits: DEFAULT_TOOL_LIMITS,
  example: { path: 'src' },
  accesses: ({ path = '.' }) => [readAccess(path)],
  async execute({ sandbox, mayRead }, { path = '.' }) {
    const absolute = workspacePath(path)
    const stat = await sandbox.stat(absolute)
    if (stat?.type !== 'directory')
      throw new OpenExecError('not_found', `Cannot list "${path}": there is no such directory`)
    const prefix = path === '.' ? '' : `${path}/`
    const entries = (await sandbox.list(absolute))
      .map((entry) => ({ entry, name: nameOf(entry.name) }))
      .filter(({ name }) => !isGitDirectory(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const visible = entries.filter(({ name }) => mayRead(`${prefix}${name}`))
    const lines = visible.slice(0, ENTRIES_MAX).map(({ entry, name }) => lineOf(entry, name))
    const hidden = entries.length - visible.length
    if (hidden > 0) lines.push(`[${hidden} entries are hidden by policy]`)
    const cut = visible.length - ENTRIES_MAX
    if (cut > 0) lines.push(`[${cut} entries more]`)
    return { ok: true, text: lines.length === 0 ? `"${path}" is empty` : lines.join('\n') }
  },
})

/** Bytes that are not UTF-8 and control characters come out as `\xNN`, so that lines stay lines. */
function nameOf(bytes: Uint8Array): string {
  const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, '0')}`
  try {
    const name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return name.replaceAll(/\p{Cc}/gu, (c) => hex(c.charCodeAt(0)))
  } catch {
    return Array.from(bytes, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : hex(byte),
    ).join('')
  }
}

function lineOf({ type, size }: DirectoryEntry, name: string): string {
  if (type === 'directory') return `${name}/`
  if (type === 'file') return `${name} (${size} bytes)`
  return `${name} (${type === 'symlink' ? 'symbolic link' : 'special file'})`
}
