/**
 * Brings what a run made into the checkout of this machine, where the run's repository has none: its
 * commits come as a pack, are checked, and go the same way as those of a run that was here.
 */
import { resolve } from 'node:path'
import { OpenExecError, type Run, UPLOAD_BYTES_MAX } from '../schema/index.ts'
import { bodyOf, type Client, errorOf } from './client.ts'
import type { CommandContext, StateOptions } from './command-context.ts'
import type { Checkout, Connection } from './connect.ts'

export interface TakenHome {
  run: Run
  commit: string
  from: string
  to: string
}

/**
 * `undefined` for a run whose repository is on the machine that executed it. Throws `conflict` when the
 * checkout lacks what the run began with, and whatever `work` throws.
 */
export async function takeHome<T>(
  { io }: CommandContext,
  { client, withCheckout }: Connection,
  { id, from }: { id: string; from: StateOptions },
  work: (checkout: Checkout, taken: TakenHome) => Promise<T>,
): Promise<T | undefined> {
  const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
  if (run.request.origin === undefined) return undefined
  return await withCheckout(resolve(io.cwd, from.repo ?? '.'), async (checkout) => {
    const known = await checkout.known(standsOn(run))
    if (known.length === 0) throw notHere(run)
    return await work(checkout, { run, ...(await fetchPack(client, run, { checkout, known })) })
  })
}

function standsOn({ baseCommit, request: { origin, fork } }: Run): string[] {
  const anchor = origin?.kind === 'upload' ? origin.anchor : undefined
  return [baseCommit, anchor, fork?.anchor].flatMap((oid) => (oid === undefined ? [] : [oid]))
}

async function fetchPack(
  client: Client,
  { id }: Run,
  { checkout, known }: { checkout: Checkout; known: readonly string[] },
): Promise<Omit<TakenHome, 'run'>> {
  const query = { known: known.join(',') }
  const answer = await client.v1.runs[':id'].pack.$get({ param: { id }, query })
  if (!answer.ok || answer.body === null) throw errorOf(answer.status, await answer.text())
  const commit = answer.headers.get('x-openexec-commit') ?? ''
  const [from = '', to = ''] = (answer.headers.get('x-openexec-trees') ?? '').split(',')
  if (![commit, from, to].every((oid) => OID.test(oid)))
    throw new OpenExecError('internal', "Cannot read the server's answer: it names no commit")
  await checkout.take(commit, answer.body, UPLOAD_BYTES_MAX)
  return { commit, from, to }
}

const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

function notHere(run: Run): OpenExecError {
  const [commit] = standsOn(run).toReversed()
  return new OpenExecError(
    'conflict',
    `Cannot take home run "${run.id}": this checkout lacks commit ${commit}, which it began with`,
    { hint: 'Name its checkout with --repo, or fetch the commit with `git fetch`' },
  )
}
