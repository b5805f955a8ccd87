import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { CreateRun, DEFAULT_TENANT, Tenant } from '../schema/index.ts'
import { requestOfBody } from './request-of.ts'
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
const places = { root: join(base, 'state'), openRoots: [open] }
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
  expect(() => repoOf({ url: join(base, 'secret') })).toThrow(/Cannot fetch/)
  expect(() => repoOf({ url: `file://${base}/secret` })).toThrow(/Cannot fetch/)
})
