import { OpenExecError } from '../schema/index.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** A failing file of the state directory in our words: `state_unusable`, by code of the system. */
export function translateFileError(error: unknown, action: string): OpenExecError {
  if (error instanceof OpenExecError) return error
  const full = FULL.has(fileErrorCode(error) ?? '')
  const what = full ? `${action}: the disk is full` : action
  const hint = full
    ? 'Free some space, for example with `openexec gc`'
    : 'Check that the state directory exists and belongs to you'
  return new OpenExecError('state_unusable', what, { hint, cause: error })
}

export function fileErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
