/**
 * The same requests three ways, by the same curl: from a sandbox through its door, through a proxy
 * people put there instead, and direct. All of it stays on the loopback of this machine; the two
 * others run in a container with the machine's own network, which is the best case for them.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type Docker from 'dockerode'
import { networkList, readPolicy } from '../src/policy/index.ts'
import { createGateway, type Internet, type Sandbox } from '../src/sandbox/index.ts'
import { startProxy } from './bench-proxy.ts'
import { NO_CREDENTIALS } from '../src/sandbox/egress/credentials.ts'
import { openBench } from './bench-sandbox.ts'

const HOST = 'bench.test'
/** Of the range for documentation: nothing but this program ever dials it. */
const ADDRESS = '192.0.2.1'
const DOOR = 'http://127.0.0.1:3128'
const TIMEOUT_MS = 300_000
const never = new AbortController().signal

export interface EgressBench {
  /** Seconds and bytes of each request, one after the other, each on a connection of its own. */
  door(path: string, count: number): Promise<Fetched[]>
  proxy(path: string, count: number): Promise<Fetched[]>
  direct(path: string, count: number): Promise<Fetched[]>
  /** One more sandbox with the same way out. */
  another(): Promise<(path: string, count: number, parallel?: number) => Promise<Fetched[]>>
  close(): Promise<void>
}

interface Fetched {
  status: number
  seconds: number
  bytes: number
}

type Origin = ChildProcessByStdio<Writable, Readable, null>

/** Throws, and says how to get one, where there is no proxy to compare with. */
export async function openEgressBench(): Promise<EgressBench> {
  const proxy = await startProxy()
  const { origin, https } = await startOrigin()
  const bench = await openBench()
  const open = async () => {
    const sandbox = await bench.open()
    await letOut(sandbox, https)
    return sandbox
  }
  const sandbox = await open()
  const plain = await bench.startPlain('host')
  const local = `https://localhost:${https}`
  const inSandbox = (one: Sandbox) => async (path: string, count: number, parallel?: number) =>
    readFetched(await runIn(one, curl(`https://${HOST}`, { path, count, parallel, proxy: DOOR })))
  const inPlain = async (path: string, count: number, through: string | undefined) =>
    readFetched(await execIn(plain, curl(local, { path, count, proxy: through })))
  return {
    door: inSandbox(sandbox),
    proxy: (path, count) => inPlain(path, count, `http://127.0.0.1:${proxy.port}`),
    direct: (path, count) => inPlain(path, count, undefined),
    another: async () => inSandbox(await open()),
    async close() {
      await bench.close()
      origin.stdin.end()
      await proxy.stop()
    },
  }
}

interface CurlOptions {
  path: string
  count: number
  parallel?: number | undefined
  proxy: string | undefined
}

function curl(base: string, { path, count, parallel, proxy }: CurlOptions): string[] {
  const urls = Array.from({ length: count }, () => [`${base}${path}`, '--output', '/dev/null'])
  return [
    'curl',
    '--silent',
    '--show-error',
    '--insecure',
    '--noproxy',
    '',
    ...(proxy === undefined ? ['--proxy', ''] : ['--proxy', proxy]),
    ...(parallel === undefined
      ? []
      : ['--parallel', '--parallel-immediate', '--parallel-max', String(parallel)]),
    '--write-out',
    '%{http_code} %{time_total} %{size_download}\\n',
    ...urls.flat(),
  ]
}

function readFetched(text: string): Fetched[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [status = 0, seconds = 0, bytes = 0] = line.split(' ').map(Number)
      if (status !== 200) throw new Error(`A request was answered with "${line}"`)
      return { status, seconds, bytes }
    })
}

/** The real gateway; only what lies outside is the one server. */
async function letOut(sandbox: Sandbox, https: number): Promise<void> {
  const internet: Internet = {
    resolve: async () => [ADDRESS],
    classify: () => ({ kind: 'global' }),
    roots: () => [],
    dial: async (_address, _port, _signal, reader) => {
      const socket = connect({
        host: '127.0.0.1',
        port: https,
        allowHalfOpen: true,
        noDelay: true,
        ...(reader === undefined ? {} : { onread: reader.attach() }),
      })
      await once(socket, 'connect')
      return socket
    },
  }
  const text = `version: 1\nnetwork: { allow: [${HOST}] }\n`
  const policy = readPolicy({ file: 'bench.yaml', text })
  const door = createGateway(internet).door(
    { authority: undefined, credentials: NO_CREDENTIALS },
    () => {},
  )
  door.use(networkList(policy, { mode: 'workspace_write', stage: 'bench', network: undefined }))
  await sandbox.openEgress((connection) => door.accept(connection))
}

async function runIn(sandbox: Sandbox, argv: readonly string[]): Promise<string> {
  const parts: Uint8Array[] = []
  const { exitCode } = await sandbox.exec({
    argv,
    env: {},
    cwd: '/workspace',
    timeoutMs: TIMEOUT_MS,
    stdin: Buffer.alloc(0),
    onOutput: (_stream, chunk) => void parts.push(Buffer.from(chunk)),
    signal: never,
  })
  const text = Buffer.concat(parts).toString()
  if (exitCode !== 0) throw new Error(`curl in the sandbox ended with ${exitCode}: ${text}`)
  return text
}

async function execIn(container: Docker.Container, argv: string[]): Promise<string> {
  const exec = await container.exec({ Cmd: argv, AttachStdout: true, Tty: true })
  const stream = await exec.start({ hijack: true, stdin: false, Tty: true })
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  await once(stream, 'end')
  return Buffer.concat(parts).toString().replaceAll('\r', '')
}

async function startOrigin(): Promise<{ origin: Origin; https: number }> {
  const file = fileURLToPath(new URL('egress-origin.ts', import.meta.url))
  const origin = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: origin.stdout }), 'line')
  return { origin, https: Number(line) }
}
