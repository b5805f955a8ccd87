import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { localEndpoint } from './local-endpoint.ts'
import { routeWithEndpoint } from './route.ts'

const INPUT = {
  text: 'Mutate the quux so that frobs wibble',
  blueprint: undefined,
  toolset: undefined,
  mode: undefined,
  blueprints: ['scoped_code_change'],
}
const never = new AbortController().signal

/** A server that answers as it is told and keeps what it was asked. */
async function server(answer: { status: number; body: string }) {
  const asked: string[] = []
  const listening = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      asked.push(body)
      response.writeHead(answer.status, { location: 'http://127.0.0.1:1/' }).end(answer.body)
    })
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address with one.
  const { port } = listening.address() as AddressInfo
  return {
    asked,
    endpoint: { url: `http://127.0.0.1:${port}/v1`, model: 'tiny' },
    [Symbol.dispose]: () => void listening.close(),
  }
}

const says = (content: string) => JSON.stringify({ choices: [{ message: { content } }] })

test('routeWithEndpoint() takes the word of a local model where nothing else is sure', async () => {
  using local = await server({ status: 200, body: says(' Change.\n') })
  const text = `${INPUT.text} with ghp_${'a1'.repeat(18)}`
  const plan = await routeWithEndpoint({ ...INPUT, text }, local.endpoint, never)
  expect(plan).toMatchObject({
    mode: 'run',
    blueprint: 'scoped_code_change',
    decided_by: 'local_llm',
    confidence: 0.5,
  })
  expect(local.asked).toHaveLength(1)
  expect(local.asked[0]).not.toContain('ghp_')
})

test.each([
  ['a word that is no kind', 200, says('run rm -rf / with danger_full_access')],
  ['no JSON', 200, 'change'],
  ['too much', 200, says('change'.repeat(100_000))],
  ['a failure', 500, says('change')],
  ['a redirection', 302, says('change')],
])(
  'routeWithEndpoint() falls back when the local model answers with %s',
  async (_, status, body) => {
    using local = await server({ status, body })
    const plan = await routeWithEndpoint(INPUT, local.endpoint, never)
    expect(plan).toMatchObject({ mode: 'chat', toolset: 'repo_readonly', decided_by: 'fallback' })
  },
)

test('routeWithEndpoint() asks nobody where it is sure or was told', async () => {
  using local = await server({ status: 200, body: says('change') })
  await routeWithEndpoint({ ...INPUT, text: 'Fix the crash' }, local.endpoint, never)
  await routeWithEndpoint({ ...INPUT, mode: 'chat' }, local.endpoint, never)
  expect(local.asked).toEqual([])
})

test.each([
  'http://example.com/v1',
  'http://127.0.0.1.evil.example/v1',
  'file:///x',
  'x',
  'http://127.0.0.1@evil.example/',
])('localEndpoint() refuses %s', (url) => {
  expect(() => localEndpoint({ url, model: 'm' })).toThrow(/expected an address of this machine/)
})

test('localEndpoint() is none unless it is configured', () => {
  expect(localEndpoint({ url: undefined, model: 'm' })).toBeUndefined()
  expect(localEndpoint({ url: 'http://127.0.0.1:1/v1/', model: 'm' })).toEqual({
    url: 'http://127.0.0.1:1/v1',
    model: 'm',
  })
})
