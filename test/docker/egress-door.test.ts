import type { Duplex } from 'node:stream'
import { afterAll, expect } from 'vitest'
import { deferred } from '../../src/sandbox/pipe-deferred.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-egress-door'
expectNoLeftovers(INSTANCE)
const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())

dockerTest('a sandbox without network reaches what it is given through the door', async () => {
  const requests: string[] = []
  const sandbox = await bench.open(testConfinement('workspace_write'))
  await sandbox.openEgress((connection) =>
    connection.once('data', (head: Buffer) => {
      requests.push(head.toString('latin1').split('\r\n')[0] ?? '')
      connection.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    }),
  )
  const proxied = await run(sandbox, [
    'curl',
    '-sS',
    '--proxy',
    'http://127.0.0.1:3128',
    'http://example.com/x',
  ])
  expect(proxied).toMatchObject({ exitCode: 0, stdout: 'hello' })
  expect(requests).toEqual(['GET http://example.com/x HTTP/1.1'])
  // Beside the door there is nothing.
  expect((await run(sandbox, ['curl', '-sS', '--noproxy', '*', 'http://1.1.1.1'])).exitCode).toBe(7)
  await sandbox.close()
})

dockerTest('a sandbox that was not given a door has nothing that listens', async () => {
  const sandbox = await bench.open(testConfinement('workspace_write'))
  const refused = await run(sandbox, ['curl', '-sS', 'http://127.0.0.1:3128'])
  expect(refused).toMatchObject({ exitCode: 7 })
  await sandbox.close()
})

dockerTest('200 connections are served at once, and another sandbox meanwhile', async () => {
  const CROWD = 200
  const held = new Set<Duplex>()
  const crowd = await bench.open(testConfinement('workspace_write'))
  const other = await bench.open(testConfinement('workspace_write'))
  const answer = (one: Duplex) => one.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await other.openEgress((connection) => connection.once('data', () => answer(connection)))
  const curl = ['curl', '-sS', '--proxy', 'http://127.0.0.1:3128', '-w', '%{http_code} ']
  const urls = (count: number) =>
    Array.from({ length: count }, () => ['-o', '/dev/null', 'http://a.test/']).flat()
  const meanwhile = deferred<void>()
  await crowd.openEgress((connection) =>
    connection.once('data', () => {
      held.add(connection)
      if (held.size === CROWD) meanwhile.resolve()
    }),
  )
  const all = ['--parallel', '--parallel-immediate', '--parallel-max', String(CROWD)]
  const crowded = run(crowd, [...curl, ...all, ...urls(CROWD)])
  await Promise.race([meanwhile.promise, crowded])
  expect(held.size).toBe(CROWD)
  expect((await run(other, [...curl, ...urls(20)])).stdout).toBe('200 '.repeat(20))
  for (const connection of held) answer(connection)
  expect((await crowded).stdout).toBe('200 '.repeat(CROWD))
  await Promise.all([crowd.close(), other.close()])
})
