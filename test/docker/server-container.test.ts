/** The image of the server with the settings of compose.yaml: started, killed, started again, ended. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { bodyOf, createRemoteClient, followRun } from '../../src/client/index.ts'
import type { CreateRun, RunId, WireFrame } from '../../src/schema/index.ts'
import { testDirectory, testRepository } from '../helpers/cli.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import {
  composeService,
  ownedDirectory,
  serverUser,
  startServerContainer,
} from '../helpers/server-container.ts'

const READY_MS = 60_000
const LOOK_MS = 100

/** A place, a repository and a container that are gone when the test has ended. */
async function startIn(place: string, repository: string) {
  const { uid, socket, socketGroup } = serverUser()
  chmodSync(place, 0o755)
  const stateDir = ownedDirectory(join(place, 'state'), { uid })
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', `${uid}:${uid}`, repository])
  const service = composeService({
    OPENEXEC_STATE: stateDir,
    OPENEXEC_SOCKET: socket,
    OPENEXEC_USER: String(uid),
    OPENEXEC_SOCKET_GROUP: String(socketGroup),
    OPENEXEC_CONCURRENCY: '2',
  })
  const started = await startServerContainer(service, [repository])
  const container = testEngine().docker.getContainer(started.getId())
  onTestFinished(async () => {
    await container.remove({ force: true, v: true }).catch(() => {})
    rmSync(place, { recursive: true, force: true })
  })
  return { container, stateDir, uid }
}

type Container = Awaited<ReturnType<typeof startIn>>['container']

/** The port may be another one after each start. */
async function clientOf(container: Container, stateDir: string) {
  const { NetworkSettings } = await container.inspect()
  const port = NetworkSettings.Ports['7333/tcp']?.[0]?.HostPort
  const url = `http://127.0.0.1:${port}`
  const token = readFileSync(join(stateDir, 'token'), 'utf8').trim()
  const until = performance.now() + READY_MS
  while (performance.now() < until) {
    if (
      await fetch(`${url}/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return createRemoteClient({ url, token })
    await delay(LOOK_MS)
  }
  throw new Error('The server is not ready')
}

type Client = Awaited<ReturnType<typeof clientOf>>

async function submit(client: Client, path: string, script: string): Promise<RunId> {
  const command = ['sh', '-c', script]
  const json: CreateRun = { repo: { path }, command, image: 'base' }
  return (await bodyOf(client.v1.runs.$post({ json }))).id
}

async function framesUntil(
  client: Client,
  run: RunId,
  isEnough: (text: string) => boolean,
): Promise<{ text: string; last: WireFrame | undefined }> {
  const signal = AbortSignal.timeout(READY_MS)
  let text = ''
  let last: WireFrame | undefined
  for await (const frame of followRun(client, { run, after: 0, live: true, signal })) {
    last = frame
    if (frame.type === 'output') text += Buffer.from(frame.data, 'base64').toString()
    if (isEnough(text)) break
  }
  return { text, last }
}

async function containersOf(stateDir: string): Promise<number> {
  const instance = createHash('sha256').update(stateDir).digest('hex').slice(0, 16)
  const filters = { label: [`openexec.instance=${instance}`] }
  return (await testEngine().docker.listContainers({ all: true, filters })).length
}

dockerTest(
  'the image runs a hardened server that outlives a kill, drains at SIGTERM and leaves nothing',
  async () => {
    using repository = testRepository({ 'a.txt': 'one\n' })
    using place = testDirectory()
    const { container, stateDir, uid } = await startIn(place.path, repository.path)
    expect(statSync(join(stateDir, 'token'))).toMatchObject({ uid })
    expect(statSync(join(stateDir, 'token')).mode & 0o777).toBe(0o600)
    await expectHardened(container)

    const client = await clientOf(container, stateDir)
    const first = await submit(client, repository.path, 'id -u; echo two >> a.txt; git status -s')
    const ran = await framesUntil(client, first, () => false)
    expect(ran.last).toEqual({ type: 'end', status: 'succeeded', exit_code: 0 })
    expect(ran.text).toContain(' M a.txt')

    const going = await submit(client, repository.path, 'echo begun; sleep 5; echo done')
    const waiting = await submit(client, repository.path, 'echo second')
    await framesUntil(client, going, (text) => text.includes('begun'))
    await container.kill({ signal: 'SIGKILL' })
    await container.wait()
    await container.start()
    const again = await clientOf(container, stateDir)
    for (const [run, text] of [
      [going, 'done'],
      [waiting, 'second'],
    ] as const) {
      const ended = await framesUntil(again, run, () => false)
      expect(ended.last).toMatchObject({ type: 'end', status: 'succeeded' })
      expect(ended.text).toContain(text)
    }

    await container.stop({ t: 45 })
    expect((await container.inspect()).State).toMatchObject({ ExitCode: 0, OOMKilled: false })
    expect(await containersOf(stateDir)).toBe(0)
    expect(existsSync(join(repository.path, '.git/worktrees'))).toBe(false)
  },
)

/** What the settings are for, seen from inside. */
async function expectHardened(container: Container): Promise<void> {
  const exec = await container.exec({
    Cmd: [
      'sh',
      '-c',
      'touch /opt/openexec/x /x; echo; grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs)" /proc/self/status; echo end',
    ],
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  })
  const stream = await exec.start({ Tty: true })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  expect(text.match(/Read-only file system/g)).toHaveLength(2)
  expect(text).toMatch(/CapEff:\s+0{16}/)
  expect(text).toMatch(/CapBnd:\s+0{16}/)
  expect(text).toMatch(/NoNewPrivs:\s+1/)
  expect(text).not.toMatch(/Uid:\s+0\b/)
}
