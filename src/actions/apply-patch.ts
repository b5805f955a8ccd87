import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import {
  applyEdits,
  describeRejection,
  editPaths,
  parsePatch,
  planEdits,
  readWorkspaceFile,
  repoPath,
  workspacePath,
} from '../tools/index.ts'
import { type ActionContext, type ActionResult, defineAction, saveJson } from './action.ts'
import { executeNeeds } from './needs.ts'

const PATCH_BYTES_MAX = 16 * 1024 * 1024

/** Applies a patch to the workspace: all of it, or nothing with the exact reason. */
export const applyPatch = defineAction({
  name: 'apply_patch',
  version: 1,
  inputs: ['patch', 'context_pack'],
  outputs: ['patch_applied'],
  with: z.strictObject({
    /** A file of the repository that holds the patch. */
    file: z.string().optional(),
    /** The patch itself. */
    patch: z.string().optional(),
  }),
  timeout: 'medium',
  idempotent: true,
  goesOn: false,
  canFail: true,
  canSkip: false,
  // Asked for each path, once the patch has been read.
  needs: () => [],
  async execute(context, request) {
    const patch = await patchOf(context, request)
    const parsed = parsePatch(patch, { counts: 'exact' })
    if (!parsed.ok) return rejected(context, describeRejection(parsed.rejection))
    const { edits, format } = parsed.value
    const refusal = await executeNeeds(
      context,
      editPaths(edits).map((path) => ({
        capability: 'repo_write',
        resource: { kind: 'path', path, access: 'write' },
        subject: 'apply_patch',
      })),
    )
    if (refusal !== undefined) return refusal
    const sandbox = await context.sandbox()
    const plan = await planEdits(edits, (path) => readWorkspaceFile(sandbox, path))
    if (!plan.ok) return rejected(context, describeRejection(plan.rejection))
    await applyEdits(plan.value, sandbox)
    const { writes, deletes, matches } = plan.value
    const saved = await saveJson(context, {
      name: 'patch_applied',
      type: 'patch_applied',
      value: {
        status: 'applied',
        format,
        written: writes.map(({ path }) => path),
        deleted: deletes.map(({ path }) => path),
        inexact: matches
          .filter(({ tier }) => tier !== 'exact')
          .map(({ path, tier }) => ({ path, tier })),
      },
    })
    const count = new Set([...writes, ...deletes].map(({ path }) => path)).size
    return {
      status: 'succeeded',
      reason: undefined,
      summary: count === 0 ? 'The patch is applied already' : `Patch applied to ${count} files`,
      artifacts: [saved],
    }
  },
})

/** From `with`, else the caller's `--input patch=…`, else the artifact an earlier stage made. */
async function patchOf(
  context: ActionContext,
  { file, patch }: { file?: string | undefined; patch?: string | undefined },
): Promise<Uint8Array | string> {
  if (patch !== undefined) return patch
  if (file !== undefined) return await patchFile(context, file)
  const given = context.inputs['patch'] ?? (await context.readArtifact('patch'))?.content
  if (given !== undefined) return given
  throw new OpenExecError('bad_request', 'Cannot apply a patch: none is given', {
    hint: 'Pass --input patch=@FILE, or let an earlier stage produce it',
  })
}

async function patchFile(context: ActionContext, file: string): Promise<Uint8Array> {
  const path = workspacePath(repoPath(file))
  const sandbox = await context.sandbox()
  try {
    return await sandbox.readFile(path, { maxBytes: PATCH_BYTES_MAX })
  } catch (cause) {
    if (!(cause instanceof OpenExecError) || cause.code !== 'not_found') throw cause
    throw new OpenExecError('bad_request', `Cannot apply patch "${file}": there is no such file`, {
      hint: 'Name a file of the repository, or one that an earlier stage writes',
      cause,
    })
  }
}

async function rejected(context: ActionContext, why: string): Promise<ActionResult> {
  const saved = await saveJson(context, {
    name: 'patch_applied',
    type: 'patch_applied',
    value: { status: 'rejected', why },
  })
  return { status: 'failed', reason: 'patch_rejected', summary: why, artifacts: [saved] }
}
