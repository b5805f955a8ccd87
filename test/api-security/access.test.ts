/** Every route of the server against everybody who may not use it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RouteRow } from '../../src/api/route-row.ts'
import { ROUTES } from '../../src/api/route-table.ts'
import { ErrorAnswer, type Run, type Scope } from '../../src/schema/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

let server: TestServer
let run: Run
const tokens: Record<string, string> = {}

beforeAll(async () => {
  server = await testServer({ openRoots: [process.cwd()] })
  run = server.seed(1, { status: 'succeeded', startedAt: 1, endedAt: 2, tenant: 'owner' })
  tokens['owner'] = server.token('owner', ['admin']).token
  tokens['stranger'] = server.token('stranger', ['admin']).token
  tokens['expired'] = server.token('owner', ['admin'], 1).token
  const revoked = server.token('owner', ['admin'])
  tokens['revoked'] = revoked.token
  await server.ask(`/v1/tokens/${revoked.id}`, { method: 'DELETE' })
})
afterAll(() => server[Symbol.asyncDispose]())

const GUARDED = ROUTES.filter(({ scope }) => scope !== 'public')
const title = ({ method, path }: RouteRow) => `${method} ${path}`
const cases = GUARDED.map((row) => [title(row), row] as const)

/** An address of the route that means the run, with a body that would be right. */
function ask(row: RouteRow, token: string, id = row.path.includes('/runs/') ? run.id : OTHER_ID) {
  const path = row.path
    .replace(':id', id)
    .replace(':delivery', 'dlv_zzzzzzzzzzzzzzzz')
    .replace(':artifact', 'plan')
    .replace(':task', run.taskId)
    .replace(/file$/, 'file?path=a')
    .replace(/pack$/, `pack?known=${'0'.repeat(40)}`)
  const body = BODIES[title(row)] ?? (row.method === 'POST' ? {} : undefined)
  return server.ask(path, { method: row.method, token, body })
}

const OTHER_ID = 'tok_zzzzzzzzzzzzzzzz'

const BODIES: Record<string, unknown> = {
  'POST /v1/runs': { repo: { path: '/nowhere' }, command: ['true'] },
  'POST /v1/runs/:id/decide': { approve: true },
  'POST /v1/blueprints/check': { file: 'a', text: '' },
  'POST /v1/policies/check': { file: 'a', text: '' },
  'POST /v1/gc': { olderThanMs: 0, keep: 0 },
  'POST /v1/schedules': {
    name: 'a',
    cron: '0 0 1 1 *',
    run: { repo: { path: '/nowhere' }, command: ['true'] },
  },
  'POST /v1/webhooks': { url: 'https://hooks.test/' },
  'POST /v1/backup': { file: '/nowhere/backup' },
  'POST /v1/tokens': { name: 'more', scopes: ['runs:read'] },
}

async function codeOf(answer: Response): Promise<string> {
  const { error } = ErrorAnswer.parse(await answer.json())
  expect(error.request_id).toBe(answer.headers.get('x-request-id'))
  return `${answer.status} ${error.code}`
}

test.each(cases)('%s is refused without a token', async (_title, row) => {
  const answer = await ask(row, '')
  expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  expect(await codeOf(answer)).toBe('401 unauthenticated')
})

test.each(cases)(
  '%s is refused with an expired, revoked or invented token',
  async (_title, row) => {
    for (const token of [tokens['expired'], tokens['revoked'], `oxp_${'a'.repeat(43)}`, 'x'])
      expect(await codeOf(await ask(row, token ?? ''))).toBe('401 unauthenticated')
  },
)

test.each(cases)('%s is refused for a token without its scope', async (_title, row) => {
  const others = (['runs:read', 'runs:create', 'exec', 'approve'] as const).filter(
    (scope) => scope !== row.scope,
  )
  const low = server.token('owner', others satisfies readonly Scope[])
  expect(await codeOf(await ask(row, low.token))).toBe('403 forbidden')
})

test.each(cases.filter(([, { path }]) => path.includes('/runs/:') && !path.endsWith('/exec')))(
  '%s finds nothing of another tenant, and something of its own',
  async (_title, row) => {
    expect(await codeOf(await ask(row, tokens['stranger'] ?? ''))).toBe('404 not_found')
    // The control: the very same request of the owner is about a run that is there.
    const own = await ask(row, tokens['owner'] ?? '')
    await own.body?.cancel()
    expect([own.status, row.path].join(' ')).not.toMatch(/^40[13] /)
    // A run that made nothing has no artifact, no file, and no checkpoint to fork from.
    if (!/:artifact|fork|file/.test(row.path)) expect(own.status).not.toBe(404)
  },
)

const OWNED = /^\/v1\/(webhook|schedule)s\/:id/
const owned = cases.filter(([, { path }]) => OWNED.test(path))

test.each(owned)(
  '%s is about nothing of another tenant, and something of its own',
  async (_, row) => {
    const token = tokens['owner'] ?? ''
    const noun = OWNED.exec(row.path)?.[1] === 'schedule' ? 'schedule' : 'webhook'
    const { id, part } = await server.make(token, noun)
    const mine = { ...row, path: row.path.replace(':delivery', part) }
    expect(await codeOf(await ask(mine, tokens['stranger'] ?? '', id))).toBe('404 not_found')
    const own = await ask(mine, token, id)
    await own.body?.cancel()
    // There is no engine that a schedule's run could begin on.
    expect(row.path.endsWith('/run') ? [503] : [200, 201, 202]).toContain(own.status)
  },
)

test('routes of the operator are refused to administrators of other tenants', async () => {
  for (const row of GUARDED.filter(({ scope }) => scope === 'operator'))
    expect(await codeOf(await ask(row, tokens['owner'] ?? ''))).toBe('403 forbidden')
})

test('an administrator neither makes nor revokes tokens of another tenant', async () => {
  const { id } = server.token('owner', ['runs:read'])
  const token = tokens['stranger']
  const made = { name: 'a', scopes: ['admin'], tenant: 'owner' }
  expect(await codeOf(await server.ask('/v1/tokens', { method: 'POST', token, body: made }))).toBe(
    '403 forbidden',
  )
  expect(await codeOf(await server.ask(`/v1/tokens/${id}`, { method: 'DELETE', token }))).toBe(
    '404 not_found',
  )
  const own = await server.ask(`/v1/tokens/${id}`, { method: 'DELETE', token: tokens['owner'] })
  expect(own.status).toBe(200)
})

test('what is not in the route table cannot be reached, with or without a token', async () => {
  for (const path of ['/v1/nothing', '/v1/runs/', '//v1/runs', '/v1/runs/x/y', '/.env', '/v1']) {
    expect(await codeOf(await server.ask(path, { token: '' }))).toBe('401 unauthenticated')
    expect(await codeOf(await server.ask(path))).toBe('404 not_found')
  }
  expect(await codeOf(await server.ask('/v1/runs', { method: 'PATCH' }))).toBe('404 not_found')
})

test('a token is kept as a hash only, and listed without it', async () => {
  const made = await server.ask('/v1/tokens', {
    method: 'POST',
    body: { name: 'once', scopes: ['runs:read'], expires_in_ms: 60_000 },
  })
  const { token } = (await made.json()) as { token: string }
  expect(token).toMatch(/^oxp_[A-Za-z0-9_-]{43}$/)
  const listed = await (await server.ask('/v1/tokens')).text()
  expect(listed).toContain('once')
  expect(listed).not.toContain(token)
  expect(listed).not.toContain('hash')
})

test('what administrators do is recorded, for the operator and for their own tenant', async () => {
  const { id } = server.token('owner', ['runs:read'])
  await server.ask(`/v1/tokens/${id}`, { method: 'DELETE', token: tokens['owner'] })
  const of = async (token: string | undefined) =>
    JSON.stringify(await (await server.ask('/v1/audit?limit=1000', { token })).json())
  expect(await of(server.admin)).toContain(`"action":"token.revoke","subject":"${id}"`)
  expect(await of(tokens['owner'])).toContain(id)
  expect(await of(tokens['stranger'])).not.toContain(id)
})
