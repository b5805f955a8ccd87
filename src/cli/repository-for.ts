/** Which repository a server is told of: an address, a path of its own, or commits sent from here. */
import { type CreateRun, looksLikeUrl, OpenExecError, type RunRequest } from '../schema/index.ts'
import type { CommandContext } from './command-context.ts'
import type { Connection } from './connect.ts'
import { overWire } from './over-wire.ts'
import { bytes as bytesText, plural } from './print.ts'
import { sendCommit } from './send-commits.ts'

interface Wanted {
  repoOnServer?: string
  quiet?: boolean
}

/** The request as it is executed there. Throws `bad_request` for a path of a server where there is none. */
export async function requestFor(
  context: CommandContext,
  connection: Connection,
  { request, wanted }: { request: RunRequest; wanted: Wanted },
): Promise<CreateRun | RunRequest> {
  if (connection.remote)
    return await overWire(
      context.io,
      request,
      await repositoryFor(context, connection, { request, wanted }),
    )
  if (wanted.repoOnServer === undefined) return request
  throw new OpenExecError('bad_request', 'Cannot use --repo-on-server without a server', {
    hint: 'Name the server with --server, or the repository with --repo',
  })
}

async function repositoryFor(
  { io }: CommandContext,
  { client, withCheckout }: Connection,
  { request, wanted }: { request: RunRequest; wanted: Wanted },
): Promise<CreateRun['repo']> {
  const { repo, ref, includeDirty } = request
  const { repoOnServer, quiet } = wanted
  const at = ref === undefined ? {} : { ref }
  if (repoOnServer !== undefined)
    return { path: repoOnServer, ...at, ...(includeDirty && { include_dirty: true }) }
  if (looksLikeUrl(repo)) return { url: repo, ...at }
  return await withCheckout(repo, async (checkout) => {
    const { signal } = io
    const sent = await sendCommit(client, checkout, { ref, includeDirty, signal })
    const { source, commit, anchor, bytes, left } = sent
    if (quiet !== true && bytes > 0)
      io.err(`Sent ${bytesText(bytes)} of commit ${commit.slice(0, 12)} to the server`)
    if (quiet !== true && left > 0)
      io.err(`${plural(left, 'uncommitted change')} not sent (use --include-dirty to take them in)`)
    return { source, commit, anchor }
  })
}
