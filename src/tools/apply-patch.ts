import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import { editFiles } from './edit-files.ts'
import { describeRejection, editPaths, type Edit } from './patch/edit.ts'
import { parsePatch } from './patch/parse-patch.ts'
import { changeAccesses, DEFAULT_TOOL_LIMITS, defineTool } from './tool.ts'

const PATCH_MAX = 1_000_000

export const applyPatchTool = defineTool({
  name: 'apply_patch',
  description:
    'Applies a patch to several files at once, all of it or nothing: a unified diff, search/replace blocks, or "*** Begin Patch" with "*** Update File: path", "@@" and lines that begin with " ", "-" or "+".',
  input: z.strictObject({ patch: z.string().min(1).max(PATCH_MAX) }),
  capability: 'repo_write',
  effect: 'write',
  limits: { ...DEFAULT_TOOL_LIMITS, argsBytesMax: 2 * 1024 * 1024 },
  example: {
    patch: '--- a/src/sum.ts\n+++ b/src/sum.ts\n@@ -1 +1 @@\n-let total = 1\n+let total = 0\n',
  },
  accesses: ({ patch }) => editPaths(editsOf(patch)).flatMap(changeAccesses),
  execute: (context, { patch }) => editFiles(context, editsOf(patch)),
})

/** Language models count lines badly; a place must be unique anyway. */
function editsOf(patch: string): Edit[] {
  const parsed = parsePatch(patch, { counts: 'lenient' })
  if (parsed.ok) return parsed.value.edits
  throw new OpenExecError('patch_rejected', describeRejection(parsed.rejection))
}
