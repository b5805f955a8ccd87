import { z } from 'zod'
import { editFiles } from './edit-files.ts'
import { readWorkspaceFile } from './patch/apply-edits.ts'
import { describeRejection } from './patch/edit.ts'
import { replaceText } from './patch/replace-text.ts'
import { PathInput } from './path-input.ts'
import { changeAccesses, DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

const TEXT_MAX = 200_000

export const editFileTool = defineTool({
  name: 'edit_file',
  description:
    'Replaces old_text by new_text in a file. old_text must stand in the file exactly once, without line numbers; add lines around it if it stands in several places.',
  input: z.strictObject({
    path: PathInput,
    old_text: z.string().min(1).max(TEXT_MAX),
    new_text: z.string().max(TEXT_MAX),
    replace_all: z.boolean().optional(),
  }),
  capability: 'repo_write',
  effect: 'write',
  limits: { ...DEFAULT_TOOL_LIMITS, argsBytesMax: 1024 * 1024 },
  example: { path: 'src/sum.ts', old_text: 'let total = 1', new_text: 'let total = 0' },
  accesses: ({ path }) => changeAccesses(path),
  async execute(context, { path, old_text: oldText, new_text: newText, replace_all: all = false }) {
    const state = await readWorkspaceFile(context.sandbox, path)
    if (state.kind === 'missing')
      return { ok: false, text: `"${path}" is not there; make it with write_file` }
    if (state.kind === 'other')
      return { ok: false, text: `"${path}" is ${state.what}; only regular files can be changed` }
    const edit = replaceText(state.content, { path, oldText, newText, all })
    if (!edit.ok)
      return { ok: false, text: `${describeRejection(edit.rejection)}\nNo file was changed.` }
    return await editFiles(context, edit.value === undefined ? [] : [edit.value])
  },
})
