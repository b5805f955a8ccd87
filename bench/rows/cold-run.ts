import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openApp } from '../../src/app.ts'
import { createClient } from '../../src/cli/client.ts'
import { followRun } from '../../src/cli/follow.ts'
import { readConfig } from '../../src/config.ts'
import { RunRequest } from '../../src/schema/index.ts'
import { IMAGE } from '../bench-sandbox.ts'
import type { BenchRow } from '../row.ts'

const RATIO_MAX = 1.25
const never = new AbortController().signal

/** No pool: worktree, container, receipt and command, all from nothing. */
export const coldRun: BenchRow = {
  id: 'cold_run',
  what: 'cold run: submit → first output of the first stage, small repository',
  unit: 'ms',
  peer: 'docker run',
  target: `≤ ${RATIO_MAX} × the peer`,
  rounds: 12,
  ok: ({ ratio }) => ratio <= RATIO_MAX,
  async open() {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'openexec-bench-')))
    await makeRepository(directory)
    const app = openApp({
      config: readConfig(),
      stateDir: join(directory, '.openexec'),
      cwd: directory,
      log: { info: () => {}, warn: (line) => console.error(line) },
      signal: never,
      detach: undefined,
    })
    const client = createClient('http://bench.internal', app.fetch)
    const request = RunRequest.parse({
      blueprint: 'command',
      task: '',
      repo: directory,
      includeDirty: false,
      command: ['/bin/echo', 'ready'],
      inputs: {},
      image: IMAGE,
      acceptDegraded: false,
      interactive: false,
    })
    return {
      async ours() {
        const started = performance.now()
        const answer = await client.v1.runs.$post({ json: request })
        const run = await answer.json()
        let took = Number.NaN
        for await (const frame of followRun(client, {
          run: run.id,
          after: 0,
          live: true,
          signal: never,
        }))
          if (frame.type === 'output' && Number.isNaN(took)) took = performance.now() - started
        return took
      },
      peer: firstOutputOfDocker,
      async close() {
        await app.close()
        await rm(directory, { recursive: true, force: true })
      },
    }
  },
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

async function firstOutputOfDocker(): Promise<number> {
  const started = performance.now()
  const argv = ['run', '--rm', '--network', 'none', IMAGE, '/bin/echo', 'ready']
  const docker = spawn('docker', argv)
  const ended = once(docker, 'close')
  await once(docker.stdout, 'data')
  const took = performance.now() - started
  await ended
  return took
}
