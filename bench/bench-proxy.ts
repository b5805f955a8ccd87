/** The proxy a person would put before containers: the first that this machine has. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const READY_TRIES = 100
const READY_REST_MS = 50

export interface Proxy {
  name: string
  port: number
  stop(): Promise<void>
}

/** Throws, and says how to get one, where the machine has none. */
export async function startProxy(): Promise<Proxy> {
  const found = PROXIES.find(({ program }) => spawnSync(program, ['-v']).error === undefined)
  if (found === undefined)
    throw new Error(
      'Cannot measure: there is no proxy to compare with. Install one: `apt-get install tinyproxy` (or `squid`)',
    )
  const folder = await mkdtemp(join(tmpdir(), 'openexec-bench-proxy-'))
  const port = await freePort()
  const file = join(folder, 'proxy.conf')
  await writeFile(file, found.config(port, folder))
  const child = spawn(found.program, found.args(file), { stdio: 'ignore' })
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await rm(folder, { recursive: true, force: true })
  }
  for (let tries = 0; tries < READY_TRIES; tries++) {
    if (await answers(port)) return { name: found.program, port, stop }
    await delay(READY_REST_MS)
  }
  await stop()
  throw new Error(`Cannot measure: "${found.program}" does not listen`)
}

/** As little as each can do, which is the best case for them. */
const PROXIES = [
  {
    program: 'tinyproxy',
    args: (file: string) => ['-d', '-c', file],
    config: (port: number, folder: string) =>
      [
        `Port ${port}`,
        'Listen 127.0.0.1',
        'Allow 127.0.0.1',
        'MaxClients 256',
        `LogFile "${join(folder, 'log')}"`,
        'LogLevel Critical',
        '',
      ].join('\n'),
  },
  {
    program: 'squid',
    args: (file: string) => ['-N', '-f', file],
    config: (port: number, folder: string) =>
      [
        `http_port 127.0.0.1:${port}`,
        'acl listed dstdomain localhost',
        'http_access allow listed',
        'http_access deny all',
        'access_log none',
        'cache deny all',
        `pid_filename ${join(folder, 'pid')}`,
        `cache_log ${join(folder, 'log')}`,
        `coredump_dir ${folder}`,
        'shutdown_lifetime 1 second',
        '',
      ].join('\n'),
  },
] as const

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Listening on a port, never on a path.
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
