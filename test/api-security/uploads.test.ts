/** What clients send to a server: part by part, each tenant for itself, and within limits. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendCommit } from '../../src/cli/send-commits.ts'
import { createClient } from '../../src/client/index.ts'
import { readConfig } from '../../src/config.ts'
import { withCheckout } from '../../src/local-checkout.ts'
import { UploadOffer } from '../../src/schema/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

let server: TestServer
let a: string
let b: string
const directory = mkdtempSync(join(tmpdir(), 'openexec-uploads-'))
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
    cwd: directory,
    encoding: 'utf8',
  }).trim()

beforeAll(async () => {
  server = await testServer()
  a = server.token('acme', ['runs:create', 'runs:read']).token
  b = server.token('other', ['runs:create', 'runs:read']).token
  git('init', '--quiet', '--initial-branch=main')
  writeFileSync(join(directory, 'a.txt'), 'a\n')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'First')
})
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  await server[Symbol.asyncDispose]()
})

const head = () => git('rev-parse', 'HEAD')

async function offer(token: string, changes: object = {}) {
  const body = { key: head(), commit: head(), ...changes }
  const answer = await server.ask('/v1/uploads', { method: 'POST', token, body })
  expect(answer.status, await answer.clone().text()).toBe(201)
  return UploadOffer.parse(await answer.json())
}

const put = (token: string, upload: string | undefined, offset: number, bytes: Uint8Array) =>
  fetch(`${server.url}/v1/uploads/${upload}?offset=${offset}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: new Uint8Array(bytes),
  })

const finish = (token: string, upload: string | undefined) =>
  server.ask(`/v1/uploads/${upload}/finish`, { method: 'POST', token })

function packOf(commit: string): Buffer {
  const args = ['pack-objects', '--revs', '--stdout', '-q']
  return execFileSync('git', args, { cwd: directory, input: `${commit}\n` })
}

test('a pack arrives in parts, each of which may come twice, and is checked when it is whole', async () => {
  const { upload, held, have } = await offer(a)
  expect({ held, have }).toEqual({ held: false, have: [] })
  const pack = packOf(head())
  const half = Math.floor(pack.length / 2)
  expect(await (await put(a, upload, 0, pack.subarray(0, half))).json()).toEqual({ size: half })
  const gap = await put(a, upload, half + 1, pack.subarray(half + 1))
  expect(gap.status).toBe(409)
  expect(await gap.json()).toMatchObject({ error: { code: 'conflict', details: { size: half } } })
  const again = await put(a, upload, 0, pack.subarray(0, half))
  expect(await again.json()).toEqual({ size: half })
  const rest = await put(a, upload, half - 10, pack.subarray(half - 10))
  expect(await rest.json()).toEqual({ size: pack.length })
  const done = await finish(a, upload)
  expect(await done.json()).toMatchObject({ commit: head() })
  const second = await offer(a)
  expect(second).toMatchObject({ held: true, have: [head()] })
  expect(second.upload).toBeUndefined()
})

test('what one tenant sends is nothing to another', async () => {
  const mine = await offer(a, { commit: '1'.repeat(40) })
  expect((await put(b, mine.upload, 0, Buffer.from('x'))).status).toBe(404)
  expect((await finish(b, mine.upload)).status).toBe(404)
  const theirs = await offer(b)
  expect(theirs).toMatchObject({ held: false, have: [] })
  expect(theirs.source).not.toBe(mine.source)
  const body = { repo: { source: mine.source, commit: head() }, command: ['true'] }
  const run = (token: string) => server.ask('/v1/runs', { method: 'POST', token, body })
  expect((await run(b)).status).toBe(404)
  // There is no engine: all that comes before it is in order.
  expect((await run(a)).status).toBe(503)
})

test('a pack that is unsound leaves nothing of itself', async () => {
  const { upload, source } = await offer(b, { commit: '2'.repeat(40) })
  await put(b, upload, 0, packOf(head()))
  const answer = await finish(b, upload)
  expect(answer.status).toBe(400)
  const kept = join(server.stateDir, 'sources', source, '.git')
  expect(readdirSync(join(kept, 'objects/pack'))).toEqual([])
  expect(existsSync(join(server.stateDir, 'uploads', String(upload)))).toBe(false)
  expect((await finish(b, upload)).status).toBe(404)
})

test.each([
  ['a path for an id', { key: '../../etc', commit: 'x' }],
  ['an option for an id', { commit: '--upload-pack=touch' }],
  ['ids of two formats', { object_format: 'sha256' }],
  ['an unknown key', { ref: 'main' }],
  ['too many ends', { shallow: Array.from({ length: 10_001 }, () => 'a'.repeat(40)) }],
])('an offer with %s is refused', async (_what, changes) => {
  const body = { key: head(), commit: head(), ...changes }
  const answer = await server.ask('/v1/uploads', { method: 'POST', token: a, body })
  expect(answer.status).toBe(400)
})

test('parts have a size, uploads a number, and who may only look sends nothing', async () => {
  const token = server.token('small', ['runs:create']).token
  const first = await offer(token)
  const large = await put(token, first.upload, 0, Buffer.alloc(9 * 1024 * 1024))
  expect(large.status).toBe(413)
  for (let open = 1; open < 8; open++) await offer(token)
  const body = { key: head(), commit: head() }
  const ninth = await server.ask('/v1/uploads', { method: 'POST', token, body })
  expect(ninth.status).toBe(429)
  expect(ninth.headers.get('retry-after')).toBe('60')
  const reader = server.token('small', ['runs:read']).token
  expect((await put(reader, first.upload, 0, Buffer.from('x'))).status).toBe(403)
})

test('sendCommit() goes on where the connection was lost, and sends only what is new', async () => {
  const token = server.token('client', ['runs:create']).token
  let lost = 0
  const client = createClient(server.url, async (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('authorization', `Bearer ${token}`)
    if (init?.method === 'PUT' && lost++ === 0) {
      // It arrives, and the answer does not.
      await fetch(input, { ...init, headers })
      throw new TypeError('fetch failed')
    }
    return await fetch(input, { ...init, headers })
  })
  const { signal } = new AbortController()
  const config = readConfig({ PATH: process.env['PATH'] })
  const send = (includeDirty: boolean) =>
    withCheckout({ config, start: directory, signal }, (checkout) =>
      sendCommit(client, checkout, { ref: undefined, includeDirty, signal }),
    )
  const first = await send(false)
  expect(first).toMatchObject({ commit: head(), anchor: head() })
  expect(lost).toBe(2)
  expect((await send(false)).bytes).toBe(0)
  writeFileSync(join(directory, 'new.txt'), 'new\n')
  const before = git('status', '--porcelain')
  const dirty = await send(true)
  expect(dirty.commit).not.toBe(head())
  expect(dirty).toMatchObject({ anchor: head(), source: first.source })
  expect(dirty.bytes).toBeLessThan(first.bytes + 200)
  expect(git('status', '--porcelain')).toBe(before)
})
