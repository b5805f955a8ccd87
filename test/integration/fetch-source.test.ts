/** Repositories named by their address: fetched from where they may be, and from nowhere else. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createBringSource } from '../../src/runtime/index.ts'
import type { GitSettings } from '../../src/runtime/git-settings.ts'
import { machineInternet } from '../../src/sandbox/index.ts'
import { parseRepoUrl, RunRequest, Tenant } from '../../src/schema/index.ts'
import { FETCH_LIMITS, fetchSource } from '../../src/workspace/fetch-source.ts'
import { fetchEnvironment, sshCommand } from '../../src/workspace/fetch-way.ts'
import { readRemoteRefs } from '../../src/workspace/remote-refs.ts'
import { createWorkspaces, type Workspaces } from '../../src/workspace/index.ts'
import { argumentLists, type GitServer, gitServer } from '../helpers/git-server.ts'
import { bench, type Bench, gitFed, signal, write } from './workspace-fixture.ts'

const TOKEN = 'ghp_0123456789abcdef'
const A = Tenant.parse('acme')
const B = Tenant.parse('other')
const SEARCH_PATH = process.env['PATH'] ?? ''
const PROGRAM = { searchPath: SEARCH_PATH, timeoutMs: 60_000, memory: undefined }

interface World {
  b: Bench
  server: GitServer
  url(kind: string, host?: string): string
  resolved: string[]
  bring(url: string, options?: BringOptions): Promise<RunRequest>
  [Symbol.asyncDispose](): Promise<void>
}

interface BringOptions {
  tenant?: Tenant
  ref?: string
  settings?: Partial<GitSettings>
  addresses?: readonly string[]
  workspaces?: Pick<Workspaces, 'fetchSource' | 'keptBytes'>
}

async function world(options: { elsewhere?: string } = {}): Promise<World> {
  const b = bench({ 'a.txt': 'a\n' })
  const server = await gitServer({ root: b.dir, token: TOKEN, ...options })
  const resolved: string[] = []
  const named = { hosts: [`git.test:${server.port}`], credentials: [] }
  return {
    b,
    server,
    resolved,
    url: (kind, host = 'git.test') => `https://${host}:${server.port}/${kind}/repo`,
    async bring(
      url,
      { tenant = A, ref, settings = {}, addresses = ['127.0.0.1'], workspaces } = {},
    ) {
      const bring = createBringSource({
        workspaces: workspaces ?? b.workspaces,
        internet: {
          classify: machineInternet({}).classify,
          resolve: async (name) => {
            resolved.push(name)
            return addresses
          },
        },
        settings: () => ({ ...named, ...settings }),
        tokens: { OPENEXEC_GIT_TOKEN: TOKEN },
        authorities: server.authorities,
      })
      const asked = { repo: url, task: '', inputs: {}, includeDirty: false, acceptDegraded: false }
      const request = RunRequest.parse({ ...asked, interactive: false, ref })
      return await bring(tenant, request, signal)
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

const packsSent = ({ server }: World) =>
  server.seen.filter(({ line }) => line.startsWith('POST ')).length

test('a repository is fetched by its address, and what is here is not fetched again', async () => {
  await using w = await world()
  const { b } = w
  const commit = b.git('rev-parse', 'HEAD').trim()
  b.git('tag', '-a', '-m', 'one', 'v1')
  const first = await w.bring(w.url('public'))
  expect(first).toMatchObject({ ref: commit, origin: { kind: 'url', url: w.url('public') } })
  expect(first.origin).toMatchObject({ bytes: expect.any(Number) })
  const opened = { path: first.repo, ref: first.ref, includeDirty: false, signal }
  const source = await b.workspaces.openSource(opened)
  expect(source).toMatchObject({ commit, kept: true })
  const sent = packsSent(w)
  for (const ref of ['main', 'v1', commit]) {
    const again = await w.bring(w.url('public'), { ref })
    expect(again).toMatchObject({ repo: first.repo, ref: commit, origin: { bytes: 0, ref } })
  }
  // One request is the list of branches, for each of the names.
  expect(packsSent(w)).toBe(sent + 2)
  write(b.repo, 'b.txt', 'b\n')
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Second')
  const next = await w.bring(w.url('public'))
  expect(next.ref).toBe(b.git('rev-parse', 'HEAD').trim())
  expect(next.repo).toBe(first.repo)
  const refs = b.git('--git-dir', `${first.repo}/.git`, 'for-each-ref', '--format=%(refname)')
  expect(refs).toMatch(
    /^refs\/heads\/main\n(refs\/openexec\/held\/[0-9a-f]{40}\n){2}refs\/tags\/v1\n$/,
  )
  expect(b.git('--git-dir', `${first.repo}/.git`, 'fsck', '--strict')).toBe('')
})

test('a commit that no branch leads to any more is fetched by its id', async () => {
  await using w = await world()
  const { b } = w
  write(b.repo, 'b.txt', 'b\n')
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Left')
  const left = b.git('rev-parse', 'HEAD').trim()
  b.git('reset', '--quiet', '--hard', 'HEAD~')
  expect(await w.bring(w.url('public'), { ref: left })).toMatchObject({ ref: left })
  for (const ref of ['nothing', 'f'.repeat(40)])
    await expect(w.bring(w.url('public'), { ref })).rejects.toMatchObject({
      code: 'repository_invalid',
    })
  await expect(w.bring(w.url('public'), { ref: '--upload-pack=x' })).rejects.toThrow('malformed')
})

test('those who want the same at once share one fetch, and tenants share nothing', async () => {
  await using w = await world()
  const all = await Promise.all([1, 2, 3].map(() => w.bring(w.url('public'))))
  expect(new Set(all.map(({ repo }) => repo)).size).toBe(1)
  expect(all.filter(({ origin }) => origin?.kind === 'url' && origin.bytes > 0)).toHaveLength(1)
  const other = await w.bring(w.url('public'), { tenant: B })
  expect(other.repo).not.toBe(all[0]?.repo)
  expect(other.origin).toMatchObject({ bytes: expect.not.closeTo(0, 0) })
})

test('a token goes to its own host, for its own tenants, and stands in no argument list', async () => {
  await using w = await world()
  const { server } = w
  const lists: string[] = []
  server.onRequest(() => lists.push(argumentLists()))
  const host = `git.test:${server.port}`
  const credentials = [{ host, tenants: [A], env: 'OPENEXEC_GIT_TOKEN' }]
  await w.bring(w.url('private'), { settings: { credentials } })
  expect(lists.join('\n')).toContain('ls-remote')
  const encoded = Buffer.from(`x-access-token:${TOKEN}`).toString('base64')
  for (const secret of [TOKEN, encoded]) expect(lists.join('\n')).not.toContain(secret)
  const before = server.seen.length
  const asB = w.bring(w.url('private'), { tenant: B, settings: { credentials } })
  await expect(asB).rejects.toThrow('it wants other credentials')
  const file = path.join(w.b.dir, 'token')
  fs.writeFileSync(file, 'another\n')
  const wrong = [{ host, tenants: [A], file }]
  const asWrong = w.bring(w.url('private'), { settings: { credentials: wrong }, ref: 'x' })
  await expect(asWrong).rejects.not.toThrow(/another/)
  expect(
    server.seen.slice(before).every(({ authorization }) => authorization !== `Basic ${encoded}`),
  ).toBe(true)
})

/** Git as anybody would call it, trusting the server's certificate; its exit code. */
async function naiveGit(
  args: readonly string[],
  settings: readonly [string, string][],
): Promise<number> {
  const env: Record<string, string> = {
    PATH: SEARCH_PATH,
    HOME: '/dev/null/nowhere',
    GIT_CONFIG_COUNT: String(settings.length),
  }
  for (const [index, [key, value]] of settings.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key
    env[`GIT_CONFIG_VALUE_${index}`] = value
  }
  const child = spawn('git', args, { env, stdio: 'ignore' })
  return await new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)))
}

test('where a server redirects to is never asked', async () => {
  await using elsewhere = await world()
  const place = `https://git.test:${elsewhere.server.port}/public`
  await using w = await world({ elsewhere: place })
  const ports = [w, elsewhere].map(({ server }) => server.port)
  await naiveGit(
    ['ls-remote', w.url('redirect')],
    [
      ['http.sslVerify', 'false'],
      ...ports.map((port): [string, string] => [
        'http.curloptResolve',
        `git.test:${port}:127.0.0.1`,
      ]),
    ],
  )
  const asked = elsewhere.server.seen.length
  expect(asked).toBeGreaterThan(0)
  await expect(w.bring(w.url('redirect'))).rejects.toThrow('it redirects')
  expect(elsewhere.server.seen).toHaveLength(asked)
})

test('a host is resolved once, judged by its addresses, and connected to at the one that passed', async () => {
  await using w = await world()
  await w.bring(w.url('public'))
  // No resolver of this machine knows the name, so what git reached is what it was told.
  expect(w.resolved).toEqual(['git.test'])
  const asked = w.server.seen.length
  const open = { settings: { hosts: [] } }
  await expect(w.bring(w.url('public'), open)).rejects.toMatchObject({ code: 'forbidden' })
  const usual = 'https://git.test/public/repo'
  for (const address of [
    '127.0.0.1',
    '10.0.0.1',
    '169.254.169.254',
    '100.64.1.1',
    '::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    'fd00::1',
    '0.0.0.0',
  ])
    await expect(w.bring(usual, { ...open, addresses: [address] }), address).rejects.toMatchObject({
      code: 'forbidden',
    })
  await expect(w.bring('https://169.254.169.254/a', open)).rejects.toMatchObject({
    code: 'forbidden',
  })
  await expect(w.bring('https://2852039166/a', open)).rejects.toMatchObject({ code: 'forbidden' })
  expect(w.server.seen).toHaveLength(asked)
})

test('an operator opens private addresses by naming the host, and those of metadata not even then', async () => {
  await using w = await world()
  const reached: string[] = []
  const workspaces = {
    keptBytes: () => 0,
    fetchSource: async ({ address }: { address: string }) => {
      reached.push(address)
      return { root: '/x', commit: 'a'.repeat(40), bytes: 1 }
    },
  }
  const bring = (addresses: string[], hosts: string[]) =>
    w.bring('https://git.corp.test/a', { addresses, workspaces, settings: { hosts } })
  await bring(['10.1.2.3'], ['git.corp.test'])
  await bring(['169.254.169.254', '10.1.2.3'], ['git.corp.test'])
  await bring(['10.1.2.3', '93.184.215.14'], [])
  expect(reached).toEqual(['10.1.2.3', '10.1.2.3', '93.184.215.14'])
  for (const hosts of [['git.corp.test'], []])
    for (const address of ['169.254.169.254', '100.100.100.200', '0.0.0.0', 'fe80::1'])
      await expect(bring([address], hosts)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(bring(['10.1.2.3'], ['git.corp.test:8443', 'corp.test'])).rejects.toMatchObject({
    hint: expect.stringContaining('"git.corp.test" under git.hosts'),
  })
})

test('no protocol but the one of the address is spoken, whatever git is handed', async () => {
  const b = bench()
  const marker = path.join(b.dir, 'marker')
  const attack = `ext::sh -c touch% ${marker}`
  await naiveGit(['ls-remote', attack], [['protocol.ext.allow', 'always']])
  expect(fs.existsSync(marker)).toBe(true)
  fs.rmSync(marker)
  const url = parseRepoUrl('https://git.test/a')
  const way = { url, address: '127.0.0.1', credential: undefined, authorities: undefined }
  const env = fetchEnvironment(way)
  for (const text of [
    attack,
    `file://${b.repo}`,
    b.repo,
    'git://git.test/a',
    'http://127.0.0.1/a',
    '--upload-pack=touch',
  ])
    await expect(readRemoteRefs({ program: PROGRAM, signal }, { url: text, env })).rejects.toThrow(
      'Cannot fetch',
    )
  expect(fs.existsSync(marker)).toBe(false)
  expect(await naiveGit(['ls-remote', `file://${b.repo}`], [])).toBe(0)
})

test('what is larger, takes longer or is unsound leaves nothing of itself', async () => {
  await using w = await world()
  const { b, server } = w
  write(b.repo, 'big.bin', randomBytes(3 * 1024 * 1024))
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Big')
  const url = parseRepoUrl(w.url('public'))
  const at = { address: '127.0.0.1', credential: undefined, authorities: server.authorities }
  const limited = (limits: Partial<typeof FETCH_LIMITS>, to = url) => {
    const request = { ...at, url: to, tenant: A, ref: undefined }
    const caller = { program: PROGRAM, signal }
    return fetchSource(caller, b.stateDir, { ...request, limits: { ...FETCH_LIMITS, ...limits } })
  }
  await expect(limited({ packBytes: 1024 * 1024 })).rejects.toMatchObject({ code: 'too_large' })
  const stalled = parseRepoUrl(w.url('stall'))
  await expect(limited({ timeMs: 700 }, stalled)).rejects.toMatchObject({ code: 'timed_out' })
  const blob = gitFed(b.repo, 'x', 'hash-object', '-w', '--stdin').trim()
  const tree = Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')])
  const oid = gitFed(
    b.repo,
    tree,
    'hash-object',
    '-w',
    '--stdin',
    '-t',
    'tree',
    '--literally',
  ).trim()
  b.git('branch', 'evil', b.git('commit-tree', '-m', 'x', oid).trim())
  await expect(w.bring(w.url('public'))).rejects.toMatchObject({ code: 'repository_invalid' })
  const [kept = ''] = fs.readdirSync(path.join(b.stateDir, 'sources'))
  const gitDir = path.join(b.stateDir, 'sources', kept, '.git')
  expect(fs.readdirSync(path.join(gitDir, 'objects/pack'))).toEqual([])
  expect(fs.readdirSync(gitDir).filter((name) => name.startsWith('incoming'))).toEqual([])
  b.git('branch', '-D', 'evil')
  expect((await limited({})).bytes).toBeGreaterThan(3_000_000)
})

test('ssh goes to the address that was checked, knows the host, and uses the one key', async () => {
  const b = bench()
  const bin = path.join(b.dir, 'bin')
  fs.mkdirSync(bin)
  const log = path.join(b.dir, 'log')
  // Stands for the client and the server: what git asks for is done here.
  const script = `#!/bin/sh\nprintf '%s\\n' "$@" >> ${log}\nfor last; do :; done\nunset GIT_DIR GIT_COMMON_DIR\nexport GIT_CONFIG_COUNT=0\neval "$(printf '%s' "$last" | sed "s#'/repo'#'${b.repo}'#")"\n`
  fs.writeFileSync(path.join(bin, 'ssh'), script, { mode: 0o755 })
  const searchPath = `${bin}:${SEARCH_PATH}`
  const workspaces = createWorkspaces({ stateDir: b.stateDir, searchPath, now: Date.now })
  const url = parseRepoUrl('git@git.test:repo')
  const credential = {
    kind: 'ssh',
    key: "/keys/it's",
    agent: undefined,
    knownHosts: '/keys/known',
  } as const
  const way = { url, address: '192.0.2.7', credential, authorities: undefined }
  const got = await workspaces.fetchSource({ ...way, tenant: A, ref: undefined, signal })
  expect(got.commit).toBe(b.git('rev-parse', 'HEAD').trim())
  const words = fs.readFileSync(log, 'utf8').split('\n')
  expect(words).toEqual(
    expect.arrayContaining([
      'HostName=192.0.2.7',
      'HostKeyAlias=git.test',
      'StrictHostKeyChecking=yes',
      'UserKnownHostsFile=/keys/known',
      "IdentityFile=/keys/it's",
      'IdentityAgent=none',
      'ProxyCommand=none',
    ]),
  )
  expect(words.filter((word) => word.startsWith('-o') && word !== '-o')).toEqual([])
  expect(sshCommand({ ...way, credential: undefined })).toContain('UserKnownHostsFile=/dev/null')
})
