/**
 * There is no way out of a sandbox but its pipe. Each attempt is made twice: from a container as an
 * engine makes it by default, where it reaches this very process on the host, and from a sandbox.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import {
  plainContainer,
  type PlainContainer,
  removePlainContainers,
} from '../helpers/plain-container.ts'
import { run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-network'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
const heard = { tcp: 0, udp: 0 }
let server: Server
let datagrams: Socket
let sandbox: Sandbox
let plain: PlainContainer
let gateway = ''
let ports = { tcp: 0, udp: 0 }

beforeAll(async () => {
  server = createServer((socket: TcpSocket) => {
    heard.tcp++
    socket.on('error', () => {}).end('reached\n')
  })
  server.listen(0, '0.0.0.0')
  datagrams = createSocket('udp4', () => heard.udp++)
  datagrams.bind(0, '0.0.0.0')
  await Promise.all([once(server, 'listening'), once(datagrams, 'listening')])
  const address = server.address()
  ports = {
    tcp: typeof address === 'object' && address !== null ? address.port : 0,
    udp: datagrams.address().port,
  }
  ;[sandbox, plain] = await Promise.all([
    bench.open(testConfinement('workspace_write')),
    plainContainer(testEngine(), INSTANCE, {}),
  ])
  gateway =
    (await plain.run('awk \'$2 == "00000000" {print $3}\' /proc/net/route')).stdout
      .trim()
      .match(/../g)
      ?.map((byte) => Number.parseInt(byte, 16))
      .reverse()
      .join('.') ?? ''
})
afterAll(async () => {
  await bench.closeAll()
  await removePlainContainers(testEngine(), INSTANCE)
  server.close()
  datagrams.close()
})

dockerTest('a plain container reaches this host by TCP and UDP', async () => {
  expect(gateway).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
  expect((await plain.run(`nc -w 3 ${gateway} ${ports.tcp} < /dev/null`)).stdout).toBe('reached\n')
  await plain.run(`echo x | nc -u -w 1 ${gateway} ${ports.udp}`)
  expect(heard.tcp).toBeGreaterThan(0)
  expect(heard.udp).toBeGreaterThan(0)
})

/** What the sandbox tries, and the word that would mean success. */
async function attempt(script: string) {
  const before = performance.now()
  const ran = await run(sandbox, script, { timeoutMs: 10_000 })
  return { ...ran, ms: performance.now() - before }
}

for (const [name, host] of [
  ['the gateway of the bridge', () => gateway],
  ['an address on the internet', () => '1.1.1.1'],
  ['the metadata service', () => '169.254.169.254'],
  ['a private address', () => '10.0.0.1'],
  ['an IPv6 address', () => '2606:4700:4700::1111'],
] as const) {
  dockerTest(`a sandbox cannot connect to ${name}, and is told at once`, async () => {
    const before = heard.tcp
    const { exitCode, stdout, ms } = await attempt(`nc -v -w 5 ${host()} ${ports.tcp} < /dev/null`)
    expect(exitCode).not.toBe(0)
    expect(stdout).toBe('')
    expect(ms).toBeLessThan(2_000)
    expect(heard.tcp).toBe(before)
  })
}

dockerTest('a sandbox resolves no name and does not know the resolver of the host', async () => {
  const { exitCode, ms } = await attempt('getent hosts example.com')
  expect(exitCode).not.toBe(0)
  expect(ms).toBeLessThan(2_000)
  const inside = (await run(sandbox, 'cat /etc/resolv.conf')).stdout
  expect(inside.match(/^nameserver .*/gm)).toEqual(['nameserver 127.0.0.1'])
  expect((await plain.run('cat /etc/resolv.conf')).stdout).not.toContain('127.0.0.1')
})

dockerTest('a sandbox has no interface but its own loopback, which it can use', async () => {
  expect((await run(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")).stdout).toMatch(
    /^(lo\n)$/,
  )
  expect((await plain.run('cat /proc/net/dev')).stdout).toContain('eth0')
  const talk = '(echo hello | nc -l -N 127.0.0.1 8080 &) ; sleep 0.2; nc -w 2 127.0.0.1 8080'
  expect((await run(sandbox, talk)).stdout).toBe('hello\n')
})

dockerTest('a sandbox sees no abstract socket of the host', async () => {
  expect((await run(sandbox, 'grep -c @ /proc/net/unix')).stdout.trim()).toBe('0')
})

dockerTest('a sandbox may make a netlink socket, which tells it of its loopback', async () => {
  const script = `perl -e 'socket(S, 16, 3, 0) ? print "made" : print "refused"'`
  expect((await run(sandbox, script)).stdout).toBe('made')
})
