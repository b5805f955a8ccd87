import { afterAll, expect } from 'vitest'
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
