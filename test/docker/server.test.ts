/** A server as its operator has it: a process of its own, killed and started again over real runs. */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import { createRemoteClient, bodyOf, followRun } from '../../src/client/index.ts'
import { type CreateRun, RunId, type WireFrame } from '../../src/schema/index.ts'
import { openexec, startOpenexec, testDirectory, testRepository } from '../helpers/cli.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'

interface Started {
  url: string
  token: string
  kill(signal: NodeJS.Signals): Promise<number>
}

async function start(stateDir: string, cwd: string, more: string[] = []): Promise<Started> {
  const words = ['serve', '--listen', '127.0.0.1:0', '--state', stateDir, ...more]
  const server = startOpenexec(words, { cwd })
  await server.shows('Listening on')
  await server.shows('The first token is in')
  const url = /Listening on (\S+)/.exec(server.output())?.[1] ?? ''
  return {
    url,
    token: readFileSync(join(stateDir, 'token'), 'utf8').trim(),
    kill: async (signal) => {
      server.process.kill(signal)
      return (await server.ended).code
    },
  }
}

function clientOf({ url, token }: Started) {
  return createRemoteClient({ url, token })
}

async function framesOf(server: Started, run: RunId): Promise<WireFrame[]> {
  const frames: WireFrame[] = []
  const options = { run, after: 0, live: true, signal: AbortSignal.timeout(90_000) }
  for await (const frame of followRun(clientOf(server), options)) frames.push(frame)
  return frames
}

const textOf = (frames: readonly WireFrame[], step?: string) =>
  frames
    .map((frame) =>
      frame.type === 'output' && (step === undefined || frame.step.startsWith(step))
        ? Buffer.from(frame.data, 'base64').toString()
        : '',
    )
    .join('')

async function left(stateDir: string): Promise<string[]> {
  const instance = createHash('sha256').update(stateDir).digest('hex').slice(0, 16)
  const filters = { label: [`openexec.instance=${instance}`] }
  const found = await testEngine().docker.listContainers({ all: true, filters })
  return found.map(({ Id }) => Id.slice(0, 12))
}

dockerTest(
  'a server runs what it is asked, for the API and for the command line alike',
  async () => {
    using repository = testRepository({ 'a.txt': 'one\n' })
    using place = testDirectory()
    const stateDir = join(place.path, 'state')
    const server = await start(stateDir, place.path)
    expect(statSync(join(stateDir, 'token')).mode & 0o777).toBe(0o600)
    const client = clientOf(server)
    const json: CreateRun = {
      repo: { path: repository.path },
      command: ['sh', '-c', 'echo out; echo err >&2; echo two >> a.txt'],
      image: 'base',
      timeout: 60_000,
      priority: 3,
    }
    const made = await bodyOf(client.v1.runs.$post({ json }))
    expect(made).toMatchObject({
      id: expect.stringMatching(/^run_/),
      status: 'queued',
      tenant: 'default',
    })
    const frames = await framesOf(server, made.id)
    expect(frames.at(-1)).toEqual({ type: 'end', status: 'succeeded', exit_code: 0 })
    expect(textOf(frames)).toMatch(/out|err/)
    await expectIdempotent(server, json)
    const env = { OPENEXEC_URL: server.url, OPENEXEC_TOKEN: server.token, HOME: place.path }
    const cli = (...words: string[]) => openexec(words, { cwd: repository.path, env })
    const ran = await cli('run', '--image', 'base', '--', 'sh', '-c', 'echo from-the-cli; exit 7')
    expect(ran).toMatchObject({ code: 1, stdout: 'from-the-cli\n' })
    const { stdout: detached } = await cli('run', '-q', '--detach', '--image', 'base', '--', 'true')
    expect(await cli('wait', detached.trim())).toMatchObject({ code: 0 })
    expect((await cli('diff', made.id)).stdout).toContain('+two')
    const words = ['run', '-q', '--json', '--include-dirty', '--image', 'base', '--'] as const
    writeFileSync(join(repository.path, 'own.txt'), 'own\n')
    const changed = await cli(...words, 'sh', '-c', 'cat own.txt; echo three >> a.txt')
    expect(changed.code, changed.stderr).toBe(0)
    const { run } = z.object({ run: RunId }).parse(JSON.parse(changed.stdout))
    expect((await cli('merge', run)).stderr).toContain('uncommitted changes of your checkout')
    expect(await cli('apply', run)).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(join(repository.path, 'a.txt'), 'utf8')).toBe('one\nthree\n')
    expect((await cli('top')).stdout).toMatch(/^0 of \d+ running, 0 waiting\n/)
    const second = await openexec(['serve', '--state', stateDir, '--listen', '127.0.0.1:0'], {
      cwd: place.path,
    })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('another server has this state directory')
    expect(await server.kill('SIGTERM')).toBe(0)
    expect(await left(stateDir)).toEqual([])
  },
)

/** The same key is the same run, also for requests that come at once. */
async function expectIdempotent(server: Started, body: CreateRun): Promise<void> {
  const post = (more: Partial<CreateRun> = {}) =>
    fetch(`${server.url}/v1/runs`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.token}`,
        'content-type': 'application/json',
        'idempotency-key': 'once',
      },
      body: JSON.stringify({ ...body, command: ['true'], ...more }),
    })
  const answers = await Promise.all([post(), post(), post()])
  const ids = await Promise.all(
    answers.map(async (answer) => ((await answer.json()) as { id: string }).id),
  )
  expect(new Set(ids).size).toBe(1)
  expect((await post()).headers.get('idempotent-replayed')).toBe('true')
  expect((await post({ image: 'node' })).status).toBe(409)
  await framesOf(server, RunId.parse(ids[0]))
}

/** Wants a person's word before its command. */
const ASKS = {
  version: 1,
  rules: [{ id: 'ask', capability: 'shell_exec', decision: 'require_approval' }],
}
const LINES = 60

dockerTest(
  'a server that is killed loses nothing: what ran goes on, what waited waits, and all end',
  async () => {
    using repository = testRepository()
    using place = testDirectory()
    const stateDir = join(place.path, 'state')
    const first = await start(stateDir, place.path, ['--concurrency', '2'])
    const submit = async (script: string, more: Partial<CreateRun> = {}) => {
      const command = ['sh', '-c', script]
      const json: CreateRun = { repo: { path: repository.path }, command, image: 'base', ...more }
      return (await bodyOf(clientOf(first).v1.runs.$post({ json }))).id
    }
    const asking = await submit('echo approved', { policy: ASKS })
    await reaches(first, asking, 'awaiting_approval')
    const script = `for i in $(seq ${LINES}); do echo line $i; sleep 0.1; done; exit 3`
    const going = [await submit(script), await submit(script)]
    const limited = await submit('sleep 60', { timeout: 10_000 })
    const waiting = await submit('echo second')
    for (const id of going) await sees(first, id, 'line 3\n')
    expect(await first.kill('SIGKILL')).toBe(137)
    const second = await start(stateDir, place.path, ['--concurrency', '3'])
    const startedAt = Date.now()
    for (const id of going) {
      const frames = await framesOf(second, id)
      expect(frames.at(-1)).toMatchObject({ type: 'end', status: 'failed', exit_code: 1 })
      const lines = Array.from({ length: LINES }, (_, index) => `line ${index + 1}\n`)
      expect(textOf(frames)).toBe(lines.join(''))
      const events = frames.flatMap((frame) => (frame.type === 'event' ? [frame.event] : []))
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
      const back = events.find(({ type }) => type === 'run_recovered')
      expect(back).toMatchObject({
        stage: 'run_command',
        attempt: 1,
        payload: { reattached: true },
      })
      // A server that listens has looked at all of it; the margin is for a machine under load.
      expect((back?.ts ?? Infinity) - startedAt).toBeLessThan(10_000)
    }
    const ends = { [waiting]: 'succeeded', [limited]: 'failed' }
    for (const id of [waiting, limited])
      expect((await framesOf(second, id)).at(-1)).toMatchObject({ type: 'end', status: ends[id] })
    await reaches(second, asking, 'awaiting_approval')
    const param = { id: asking }
    await clientOf(second).v1.runs[':id'].cancel.$post({ param })
    expect(await second.kill('SIGTERM')).toBe(0)
    expect(await left(stateDir)).toEqual([])
    const worktrees = ['-C', repository.path, 'worktree', 'list']
    expect(execFileSync('git', worktrees, { encoding: 'utf8' }).trim().split('\n')).toHaveLength(1)
  },
)

async function reaches(server: Started, id: RunId, status: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const run = await bodyOf(clientOf(server).v1.runs[':id'].$get({ param: { id } }))
    if (run.status === status) return
    await delay(100)
  }
  throw new Error(`The run never was ${status}`)
}

async function sees(server: Started, run: RunId, text: string): Promise<void> {
  const options = { run, after: 0, live: true, signal: AbortSignal.timeout(60_000) }
  for await (const frame of followRun(clientOf(server), options))
    if (frame.type === 'output' && Buffer.from(frame.data, 'base64').includes(text)) return
  throw new Error(`The run never printed "${text}"`)
}
