import { z } from 'zod'
import { applyEdits, readWorkspaceFile } from './patch/apply-edits.ts'
import { PathInput } from './path-input.ts'
import { workspacePath } from './repo-path.ts'
import { changeAccesses, DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

const CONTENT_MAX = 1_000_000

export const writeFileTool = defineTool({
  name: 'write_file',
  description:
    'Makes a file with the given content. A file that is there already is replaced only with overwrite: true; prefer edit_file for changes.',
  input: z.strictObject({
    path: PathInput,
    content: z.string().max(CONTENT_MAX),
    overwrite: z.boolean().optional(),
    executable: z.boolean().optional(),
  }),
  capability: 'repo_write',
  effect: 'write',
  limits: { ...DEFAULT_TOOL_LIMITS, argsBytesMax: 2 * 1024 * 1024 },
  example: { path: 'src/sum.test.ts', content: "import { sum } from './sum.ts'\n" },
  accesses: ({ path }) => changeAccesses(path),
  async execute({ sandbox }, { path, content, overwrite = false, executable }) {
    if (path === '.') return { ok: false, text: 'The repository itself is a directory' }
    const state = await readWorkspaceFile(sandbox, path)
    if (state.kind === 'other')
      return { ok: false, text: `"${path}" is ${state.what}; only regular files can be written` }
    const bytes = new Uint8Array(Buffer.from(content))
    const before = state.kind === 'file' ? { content: state.content, mode: state.mode } : undefined
    const mode = executable === undefined ? (before?.mode ?? 0o644) : executable ? 0o755 : 0o644
    if (before !== undefined && Buffer.compare(before.content, bytes) === 0 && before.mode === mode)
      return { ok: true, text: `Nothing to do: ${path} already holds this` }
    if (before !== undefined && !overwrite)
      return {
        ok: false,
        text: `"${path}" is there already; change it with edit_file, or set overwrite`,
      }
    await applyEdits(
      { writes: [{ path, file: { content: bytes, mode }, before }], deletes: [], matches: [] },
      sandbox,
    )
    const size = (await sandbox.stat(workspacePath(path)))?.size
    return {
      ok: true,
      text: `${before === undefined ? 'Added' : 'Replaced'} ${path} (${size} bytes)`,
    }
  },
})
