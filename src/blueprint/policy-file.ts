/** The policy of a run: the file that was named, else the one in the checkout, else the built-in. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import { defaultPolicy, type Policy, readPolicy, widenings } from '../policy/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import { OpenExecError, YAML_BYTES_MAX } from '../schema/index.ts'

/** Its name in a checkout. */
export const POLICY_FILE = 'openexec.policy.yaml'

/**
 * `found` counts only where it is there and narrows the built-in policy. Throws `policy_invalid`, and
 * `policy_denied` for a file of the repository that gives more.
 */
export function policyFrom({
  named,
  found,
}: {
  named: string | undefined
  /** A path, or what a commit holds; `undefined` for a commit without one. */
  found: string | { text: string } | undefined
}): Policy {
  if (named !== undefined) return readPolicy({ file: named, text: readText(named, 0) })
  if (found === undefined) return defaultPolicy()
  if (typeof found === 'object')
    return narrowing(readPolicy({ file: POLICY_FILE, text: found.text }))
  if (lstatSync(found, { throwIfNoEntry: false }) === undefined) return defaultPolicy()
  // A repository could have its policy file point to any file of its user.
  return narrowing(readPolicy({ file: found, text: readText(found, constants.O_NOFOLLOW) }))
}

/** Where the policy of a repository without a checkout is: in the commit. */
export async function committedPolicy(
  workspaces: Pick<Workspaces, 'listFiles' | 'openBlobs'>,
  { store, tree }: Pick<Source, 'store' | 'tree'>,
  signal: AbortSignal,
): Promise<{ text: string } | undefined> {
  const files = await workspaces.listFiles(store, { tree, signal })
  const file = files.find(({ path }) => path === POLICY_FILE)
  if (file === undefined) return undefined
  if (file.size > YAML_BYTES_MAX)
    throw unreadable(POLICY_FILE, `it is larger than ${YAML_BYTES_MAX} bytes`)
  const blobs = workspaces.openBlobs(store, signal)
  try {
    const bytes = await blobs.read(file.oid, YAML_BYTES_MAX)
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch (cause) {
    throw cause instanceof TypeError ? unreadable(POLICY_FILE, 'it is no UTF-8 text', cause) : cause
  } finally {
    await blobs.close()
  }
}

function narrowing(policy: Policy): Policy {
  const wider = widenings(policy)
  if (wider.length === 0) return policy
  throw new OpenExecError(
    'policy_denied',
    `Cannot use policy "${POLICY_FILE}" of the repository as it is: it gives more than the built-in policy (${wider.join('; ')})`,
    { hint: `If you trust who wrote it, name it: --policy ${POLICY_FILE}` },
  )
}

/** Opened before it is looked at, and never waited for: a pipe or a device is no policy. */
function readText(path: string, flags: number): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  } catch (cause) {
    throw unreadable(path, whyNot(cause), cause)
  }
  try {
    const stat = fstatSync(file)
    if (stat.isDirectory()) throw unreadable(path, 'it is a directory')
    if (!stat.isFile()) throw unreadable(path, 'it is no regular file')
    if (stat.size > YAML_BYTES_MAX)
      throw unreadable(path, `it is larger than ${YAML_BYTES_MAX} bytes`)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file))
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw unreadable(
      path,
      cause instanceof TypeError ? 'it is no UTF-8 text' : whyNot(cause),
      cause,
    )
  } finally {
    closeSync(file)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'it is a symbolic link',
}

function whyNot(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
  return REASONS[code] ?? code
}

function unreadable(path: string, why: string, cause?: unknown): OpenExecError {
  return new OpenExecError('policy_invalid', `Cannot read policy "${path}": ${why}`, {
    hint: 'Name a file that exists and can be read',
    cause,
  })
}
