/** Starts the server in this process and stays with it until it is told to end. */
import { ownSecrets } from '../config.ts'
import type { ServeOptions } from '../serve.ts'
import type { Io } from './io.ts'

type Given = Omit<ServeOptions, 'log' | 'limits' | 'rates'> & {
  /** What is given otherwise than by default. */
  rates: Partial<ServeOptions['rates']>
  /** How long runs may take to end after the first signal, in `ms`. */
  drainMs: number
}

/** Gives back whether every run had ended. Loading a server is what no other command pays for. */
export async function serveUntilStopped(io: Io, given: Given): Promise<'done' | 'left'> {
  const [{ openServer }, { loadServing }, { createRedactor }] = await Promise.all([
    import('../serve.ts'),
    import('../api/index.ts'),
    import('../events/index.ts'),
  ])
  const { createServerLog, RATE_LIMITS, SERVER_LIMITS } = await loadServing()
  const redactor = createRedactor(ownSecrets(given.config))
  const log = createServerLog({ write: (line: string) => io.err(redactor.text(line.trimEnd())) })
  const rates = { ...RATE_LIMITS, ...given.rates }
  const serving = await openServer({ ...given, rates, log, limits: SERVER_LIMITS })
  io.out(`Listening on ${serving.url}`)
  io.err(`The first token is in ${serving.tokenFile}`)
  await stopped(io.signal)
  io.err('Ending: no new runs; waiting for those that go on')
  return await serving.drain(given.drainMs)
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
