/**
 * A repository and the whole program over it in this process, on a real engine. After each test it is
 * looked whether anything of its runs is left: container, worktree, slot, row; and whether the user's
 * own repository is as it was.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { type App, type AppOptions, openApp } from '../../src/app.ts'
import { bodyOf, type Client, createClient } from '../../src/cli/client.ts'
import { followRun } from '../../src/cli/follow.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { Event, type Run, RunId, RunRequest, type RunResult } from '../../src/schema/index.ts'
import { getRun, openState } from '../../src/state/index.ts'
import { leftOf } from './run-looks.ts'

export interface EndedRun {
  run: Run
  result: RunResult
  events: Event[]
  types: string[]
  stdout: string
  stderr: string
  /** Verdicts as `stage.attempt verdict reason`. */
  ends: string[]
}

type GivenToApp = Pick<AppOptions, 'pool' | 'internet'> & Partial<Pick<AppOptions, 'config'>>

export interface RunWorld {
  repo: string
  stateDir: string
  client: Client
  stop: AbortController
  warnings: string[]
  poolStats(): ReturnType<App['poolStats']>
  git(...args: string[]): string
  write(path: string, content: string | Uint8Array, mode?: number): void
  commit(): string
  submit(request: Partial<RunRequest>): Promise<Run>
  /** One command in the `base` image. */
  shell(script: string, request?: Partial<RunRequest>): Promise<EndedRun>
  run(request: Partial<RunRequest>): Promise<EndedRun>
  /** Follows a run until it ends or waits; `onEvent` sees each event as it comes. */
  follow(run: Run, options?: { after?: number; onEvent?(event: Event): void }): Promise<EndedRun>
  resume(run: Run): Promise<EndedRun>
  cancel(run: Run): Promise<Run>
  decide(run: Run, approve: boolean): Promise<Run>
  artifact(run: Run, name: string): Promise<string>
  diff(run: Run): Promise<string>
  /** Runs it in a process of its own that is killed at the first event of type `moment`. */
  killedAt(moment: string, request: Partial<RunRequest>): Run
  /** The same, and it lives. */
  begun(request: Partial<RunRequest>): {
    run: Promise<Run>
    exit: Promise<number | null>
    /** As `kill -9`; resolves when it is gone. */
    kill(): Promise<void>
  }
  /** Goes on with a run in a process of its own. */
  resumedElsewhere(run: Run): { exit: Promise<number | null>; kill(): Promise<void> }
  /** Closes the program and opens it anew, as another process would. */
  reopen(): Promise<void>
  close(): Promise<void>
}

/** Worlds of one file; each is closed and looked at after its test. */
export function runWorlds(): (
  files?: Record<string, string>,
  endpoint?: string,
  given?: GivenToApp,
) => Promise<RunWorld> {
  const worlds: RunWorld[] = []
  afterEach(async () => {
    for (const world of worlds.splice(0)) {
      await world.close()
      const left = await leftOf(world)
      fs.rmSync(world.repo, { recursive: true, force: true })
      if (left.length > 0) throw new Error(`Left behind: ${left.join('; ')}`)
    }
  }, 60_000)
  return async (files = { 'README.md': '# test\n' }, endpoint, given = {}) => {
    const world = openWorld(files, endpoint, given)
    worlds.push(world)
    return world
  }
}

function openWorld(
  files: Record<string, string>,
  endpoint: string | undefined,
  given: GivenToApp,
): RunWorld {
  const repo = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'openexec-run-')))
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: repo, stdio: 'pipe' }).toString()
  const write: RunWorld['write'] = (path, content, mode = 0o644) => {
    const file = join(repo, path)
    fs.mkdirSync(dirname(file), { recursive: true })
    fs.writeFileSync(file, content, { mode })
  }
  const commit = () => {
    git('add', '--all')
    git(...IDENTITY, 'commit', '--quiet', '--allow-empty', '--message=test')
    return git('rev-parse', 'HEAD').trim()
  }
  git('init', '--quiet', '--initial-branch=main')
  for (const [path, content] of Object.entries(files)) write(path, content)
  commit()
  const stateDir = join(repo, '.openexec')
  const warnings: string[] = []
  const stop = new AbortController()
  const open = (): App =>
    openApp({
      config: configOf(endpoint),
      stateDir,
      cwd: repo,
      log: { info: () => {}, warn: (line) => warnings.push(line) },
      signal: stop.signal,
      detach: undefined,
      ...given,
    })
  let app = open()
  const client = createClient('http://test.internal', (input, init) => app.fetch(input, init))
  return {
    repo,
    stateDir,
    client,
    stop,
    warnings,
    poolStats: () => app.poolStats(),
    git,
    write,
    commit,
    ...means(client, repo),
    ...processes(client, repo, stateDir),
    async reopen() {
      await app.close()
      app = open()
    },
    close: () => app.close(),
  }
}

function configOf(endpoint: string | undefined): Config {
  const config = readConfig()
  if (endpoint === undefined) return config
  return { ...config, engine: { ...config.engine, DOCKER_HOST: endpoint } }
}

const CHILD = fileURLToPath(new URL('./run-child.ts', import.meta.url))
const IDENTITY = [
  '-c',
  'user.name=test',
  '-c',
  'user.email=test@localhost',
  '-c',
  'commit.gpgsign=false',
]

/** The same program in processes of their own. */
function processes(
  client: Client,
  repo: string,
  stateDir: string,
): Pick<RunWorld, 'killedAt' | 'begun' | 'resumedElsewhere'> {
  return {
    killedAt(moment, request) {
      const json = JSON.stringify(requestOf(repo, request))
      const { stdout, signal, stderr } = spawnSync(process.execPath, [
        CHILD,
        stateDir,
        moment,
        json,
      ])
      if (signal !== 'SIGKILL') throw new Error(`The child lived on: ${stderr.toString()}`)
      using state = openState({ file: join(stateDir, 'openexec.db') })
      return getRun(state.db, RunId.parse(stdout.toString().trim()))
    },
    resumedElsewhere: ({ id }) => livingChild([CHILD, stateDir, 'never', id]),
    begun(request) {
      const json = JSON.stringify(requestOf(repo, request))
      const { child, exit, kill } = livingChild([CHILD, stateDir, 'never', json])
      const id = once(child.stdout, 'data').then(([line]) => RunId.parse(String(line).trim()))
      const run = id.then((param) => bodyOf(client.v1.runs[':id'].$get({ param: { id: param } })))
      return { run, exit, kill }
    },
  }
}

function livingChild(args: string[]) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'close').then(([code]): number | null => code)
  const kill = async () => {
    child.kill('SIGKILL')
    await exit
  }
  return { child, exit, kill }
}

type Means = Pick<
  RunWorld,
  'submit' | 'shell' | 'run' | 'follow' | 'resume' | 'cancel' | 'decide' | 'artifact' | 'diff'
>

function means(client: Client, repo: string): Means {
  const runs = client.v1.runs
  const submit: Means['submit'] = async (request) =>
    await bodyOf(runs.$post({ json: requestOf(repo, request) }))
  const follow: Means['follow'] = async (run, options = {}) => await followed(client, run, options)
  const run: Means['run'] = async (request) => follow(await submit(request))
  return {
    submit,
    follow,
    run,
    shell: (script, request = {}) => run({ command: ['sh', '-c', script], ...request }),
    async resume({ id }) {
      const { run: resumed, after } = await bodyOf(runs[':id'].resume.$post({ param: { id } }))
      return await follow(resumed, { after })
    },
    cancel: async ({ id }) => await bodyOf(runs[':id'].cancel.$post({ param: { id } })),
    decide: async ({ id }, approve) =>
      await bodyOf(runs[':id'].decide.$post({ param: { id }, json: { approve } })),
    async artifact({ id }, name) {
      const answer = await runs[':id'].artifacts[':artifact'].$get({
        param: { id, artifact: name },
      })
      return await answer.text()
    },
    diff: async ({ id }) =>
      await (await runs[':id'].diff.$get({ param: { id }, query: { format: 'patch' } })).text(),
  }
}

function requestOf(repo: string, request: Partial<RunRequest>): RunRequest {
  const { blueprint = request.command === undefined ? undefined : 'command' } = request
  return RunRequest.parse({
    task: '',
    repo,
    includeDirty: false,
    inputs: {},
    image: 'base',
    acceptDegraded: false,
    interactive: false,
    ...request,
    blueprint,
  })
}

async function followed(
  client: Client,
  { id }: Run,
  { after = 0, onEvent }: { after?: number; onEvent?(event: Event): void },
): Promise<EndedRun> {
  const out = { stdout: '', stderr: '' }
  const signal = new AbortController().signal
  for await (const frame of followRun(client, { run: id, after, live: true, signal })) {
    if (frame.type === 'event') onEvent?.(frame.event)
    if (frame.type === 'output') out[frame.stream] += Buffer.from(frame.data, 'base64').toString()
  }
  const param = { id }
  const runs = client.v1.runs
  const result = await bodyOf(runs[':id'].result.$get({ param }))
  const query = { after: '0', limit: '5000' }
  const stored = await bodyOf(runs[':id'].events.$get({ param, query }))
  const events = Event.array().parse(stored.events)
  return {
    run: await bodyOf(runs[':id'].$get({ param })),
    ...out,
    result,
    events,
    types: events.map(({ type }) => type),
    ends: result.stages.map(({ id: stage, attempt, verdict, reason }) =>
      [`${stage}.${attempt}`, verdict, reason].filter(Boolean).join(' '),
    ),
  }
}
