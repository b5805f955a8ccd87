/**
 * What a server under churn is asked: runs that are submitted again and again with a key until they
 * are taken, and readers that follow them over any number of lost connections.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createRemoteClient, followRun, OpenExecError } from '../../src/client/index.ts'
import { CreateRun, RunId } from '../../src/schema/index.ts'

/** The server of the moment; another one after each kill. */
export interface Place {
  current: { url: string; token: string }
}

const COMMANDS: readonly string[] = [
  'echo ready',
  'sleep 0.3; echo late',
  'head -c 200000 /dev/zero | tr "\\0" x; echo',
  'echo changed >> README.md; git status --short',
  'for i in 1 2 3 4 5; do echo $i; sleep 0.2; done',
]
const AWAY_MS = 50
const TRIES_MAX = 10_000
const FOLLOW_MS_MAX = 600_000

/** Whether the server was away, or told to come back. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof OpenExecError &&
    ['server_unreachable', 'too_busy', 'unavailable'].includes(error.code)
  )
}

/** Asks until it is answered: a key makes sure that it is one run. */
export async function submit(
  place: Place,
  { key, path, pick }: { key: string; path: string; pick: number },
): Promise<RunId> {
  const command = ['sh', '-c', COMMANDS[pick % COMMANDS.length] ?? 'true']
  const body = JSON.stringify(CreateRun.parse({ repo: { path }, command, image: 'base' }))
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { url, token } = place.current
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    }
    const answer = await fetch(`${url}/v1/runs`, { method: 'POST', headers, body }).then(
      async (response) => ({ status: response.status, json: await response.json() }),
      () => undefined,
    )
    if (answer?.status === 201 || answer?.status === 200)
      return RunId.parse(Reflect.get(Object(answer.json), 'id'))
    if (answer !== undefined && answer.status !== 429 && answer.status !== 503)
      throw new Error(`Run "${key}" is refused: ${JSON.stringify(answer.json)}`)
    await delay(AWAY_MS)
  }
  throw new Error(`Run "${key}" is never taken`)
}

/** Reads a run to its end, whatever server it takes; gives what is wrong with what it has read. */
export async function follow(
  place: Place,
  run: RunId,
  until: AbortSignal,
): Promise<string | undefined> {
  const signal = AbortSignal.any([until, AbortSignal.timeout(FOLLOW_MS_MAX)])
  let cursor = 0
  while (!signal.aborted) {
    const client = createRemoteClient(place.current)
    try {
      const once = { run, after: cursor, live: true, output: cursor % 2 === 0, signal }
      for await (const frame of followRun(client, once)) {
        if (frame.type === 'end') return undefined
        if (frame.type !== 'event') continue
        if (frame.event.seq !== cursor + 1)
          return `${run}: event ${frame.event.seq} came after ${cursor}`
        cursor = frame.event.seq
      }
    } catch (error) {
      if (!isPassing(error) && !signal.aborted) return `${run}: ${String(error)}`
    }
    await delay(AWAY_MS)
  }
  return until.aborted ? undefined : `${run}: no end within ${FOLLOW_MS_MAX} ms`
}
