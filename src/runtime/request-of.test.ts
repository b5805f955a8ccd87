import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { CreateRun, DEFAULT_TENANT, OpenExecError, Tenant } from '../schema/index.ts'
import { requestOfBody, type RequestPlaces } from './request-of.ts'
import type { Caller } from './tokens.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-request-')))
afterAll(() => rmSync(base, { recursive: true }))
const open = join(base, 'open')
mkdirSync(join(open, 'repo/.git'), { recursive: true })
mkdirSync(join(open, 'plain'))
mkdirSync(join(base, 'secret/.git'), { recursive: true })
mkdirSync(join(base, '.git'))
symlinkSync(join(base, 'secret'), join(open, 'link'))

const tenant: Caller = {
  tenant: Tenant.parse('acme'),
  actor: 'tok_1',
  scopes: ['runs:create'],
  requestId: undefined,
}
const SENT = 'a'.repeat(32)
const COMMIT = 'b'.repeat(40)
const uploads: RequestPlaces['uploads'] = {
  rootOf(name, { source }) {
    if (name === 'acme' && source === SENT) return join(base, 'state/sources', source)
    throw new OpenExecError('not_found', 'Cannot find it')
  },
}
const places = { root: join(base, 'state'), openRoots: [open], uploads }
const repoOf = (repo: object) =>
  requestOfBody(places, CreateRun.parse({ repo, command: ['true'] }), tenant).repo

test('requestOfBody() lets a tenant name what lies below an opened directory', () => {
  expect(repoOf({ path: join(open, 'repo') })).toBe(join(open, 'repo'))
})

test.each([
  ['another directory', { path: join(base, 'secret') }],
  ['a way back up', { path: join(open, '../secret') }],
  ['a link that leads out', { path: join(open, 'link') }],
  ['a directory whose repository is around it', { path: join(open, 'plain') }],
])('requestOfBody() refuses a tenant %s', (_what, repo) => {
  expect(() => repoOf(repo)).toThrow('not opened to tenants')
})

test('requestOfBody() lets nobody over the network name sources of secrets, whatever they say', () => {
  const body = { repo: { path: join(open, 'repo') }, command: ['true'] }
  const operator: Caller = { ...tenant, tenant: DEFAULT_TENANT, scopes: ['admin'] }
  for (const caller of [tenant, operator])
    expect(requestOfBody(places, CreateRun.parse(body), caller).declaredSecretsOnly).toBe(true)
  const sly = { ...body, declaredSecretsOnly: false }
  const parsed = CreateRun.safeParse(sly)
  if (parsed.success)
    expect(requestOfBody(places, parsed.data, tenant).declaredSecretsOnly).toBe(true)
})

test('requestOfBody() takes no path for an address', () => {
  expect(() => repoOf({ url: join(base, 'secret') })).toThrow('Cannot use repository')
  expect(() => repoOf({ url: `file://${base}/secret` })).toThrow('Cannot use repository')
})

test('requestOfBody() takes a commit that was sent, and what it stands on', () => {
  const body = (repo: object) => CreateRun.parse({ repo, command: ['true'] })
  const plain = requestOfBody(places, body({ source: SENT, commit: COMMIT }), tenant)
  expect(plain).toMatchObject({
    repo: join(base, 'state/sources', SENT),
    ref: COMMIT,
    origin: { kind: 'upload', anchor: COMMIT, dirty: false },
  })
  const anchor = 'c'.repeat(40)
  const dirty = requestOfBody(places, body({ source: SENT, commit: COMMIT, anchor }), tenant)
  expect(dirty.origin).toEqual({ kind: 'upload', anchor, dirty: true })
})

test('requestOfBody() refuses a commit that was not sent, or by somebody else', () => {
  expect(() => repoOf({ source: 'd'.repeat(32), commit: COMMIT })).toThrow('Cannot find it')
  const other = { ...tenant, tenant: Tenant.parse('other') }
  const body = CreateRun.parse({ repo: { source: SENT, commit: COMMIT }, command: ['true'] })
  expect(() => requestOfBody(places, body, other)).toThrow('Cannot find it')
})
