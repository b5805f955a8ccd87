/** The whole program over a small repository, and `docker run` as what a user would type instead. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, openApp } from '../src/app.ts'
import { createClient } from '../src/cli/client.ts'
import { followRun } from '../src/cli/follow.ts'
import { readConfig } from '../src/config.ts'
import { RunRequest } from '../src/schema/index.ts'
import { IMAGE } from './bench-sandbox.ts'

const never = new AbortController().signal

export interface RunBench {
  app: App
  /** Submits, follows to the end; `ms` from submission to the first output, and how it ended. */
  run(argv: readonly string[]): Promise<{ firstMs: number; status: string }>
  /** The same for somebody who only wants to know how it ends. */
  runUnread(argv: readonly string[]): Promise<{ status: string }>
  close(): Promise<void>
}

export async function openRunBench(pool?: { low: number; high: number }): Promise<RunBench> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'openexec-bench-')))
  await makeRepository(directory)
  const app = openApp({
    config: readConfig(),
    stateDir: join(directory, '.openexec'),
    cwd: directory,
    log: { info: () => {}, warn: (line) => console.error(line) },
    signal: never,
    detach: undefined,
    pool,
  })
  const client = createClient('http://bench.internal', app.fetch)
  const follow = async (argv: readonly string[], output: boolean) => {
    const started = performance.now()
    const answer = await client.v1.runs.$post({ json: requestOf(directory, argv) })
    const run = await answer.json()
    let firstMs = Number.NaN
    let status = 'unknown'
    const options = { run: run.id, after: 0, live: true, output, signal: never }
    for await (const frame of followRun(client, options)) {
      if (frame.type === 'output' && Number.isNaN(firstMs)) firstMs = performance.now() - started
      if (frame.type === 'end') status = frame.status
    }
    return { firstMs, status }
  }
  return {
    app,
    run: (argv) => follow(argv, true),
    runUnread: (argv) => follow(argv, false),
    async close() {
      await app.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function requestOf(repo: string, command: readonly string[]): RunRequest {
  return RunRequest.parse({
    blueprint: 'command',
    task: '',
    repo,
    includeDirty: false,
    command,
    inputs: {},
    image: IMAGE,
    acceptDegraded: false,
    interactive: false,
  })
}

async function makeRepository(directory: string): Promise<void> {
  await writeFile(join(directory, 'README.md'), '# bench\n')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'ignore' })
  git('init', '--quiet')
  git('add', '--all')
  const identity = [
    '-c',
    'user.name=bench',
    '-c',
    'user.email=bench@localhost',
    '-c',
    'commit.gpgsign=false',
  ]
  git(...identity, 'commit', '--quiet', '--message=bench')
}

/** `ms` until its first output has come. */
export async function firstOutputOfDocker(): Promise<number> {
  const started = performance.now()
  const argv = ['run', '--rm', '--network', 'none', IMAGE, '/bin/echo', 'ready']
  const docker = spawn('docker', argv)
  const ended = once(docker, 'close')
  await once(docker.stdout, 'data')
  const took = performance.now() - started
  await ended
  return took
}
