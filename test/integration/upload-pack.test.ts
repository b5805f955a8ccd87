/** Packs of strangers: what is sound is taken, and of all else nothing stays. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { expect, test } from 'vitest'
import { createWorkspaces, type KeptSource } from '../../src/workspace/index.ts'
import { inQuarantine } from '../../src/workspace/quarantine.ts'
import { PACK_LIMITS, type PackLimits, receiveCommit } from '../../src/workspace/receive-commit.ts'
import { bench, type Bench, gitFed, gitIn, signal, write } from './workspace-fixture.ts'

const PROGRAM = { searchPath: process.env['PATH'] ?? '', timeoutMs: 60_000, memory: undefined }

function kept({ workspaces }: Bench, shallow: string[] = []): KeptSource {
  const identity = { tenant: 'acme', kind: 'upload', name: 'x', objectFormat: 'sha1' } as const
  return workspaces.keepSource({ ...identity, shallow })
}

function head(b: Bench): string {
  return b.git('rev-parse', 'HEAD').trim()
}

/** As a client would make it, with whatever options. */
function pack(b: Bench, revs: string[], ...options: string[]): string {
  const file = path.join(b.dir, `pack-${createHash('sha1').update(revs.join()).digest('hex')}`)
  const args = ['pack-objects', '--revs', '--stdout', '-q', ...options]
  const bytes = execFileSync('git', args, { cwd: b.repo, input: `${revs.join('\n')}\n` })
  fs.writeFileSync(file, bytes)
  return file
}

const receive = (
  source: KeptSource,
  request: { commit: string; packFile: string; limits?: PackLimits },
) => receiveCommit({ program: PROGRAM, signal }, source, { limits: PACK_LIMITS, ...request })

/** Nothing but what was there: no quarantine, no pack, no ref. */
function expectEmpty({ gitDir }: KeptSource): void {
  expect(fs.readdirSync(path.join(gitDir, 'objects/pack'))).toEqual([])
  expect(fs.readdirSync(gitDir).filter((name) => /incoming|tmp|lock/.test(name))).toEqual([])
  expect(gitIn(gitDir, '--git-dir', gitDir, 'for-each-ref')).toBe('')
}

test('receiveCommit() takes a commit with its history, and then only what is new', async () => {
  const b = bench()
  const source = kept(b)
  const first = head(b)
  await receive(source, { commit: first, packFile: pack(b, [first]) })
  write(b.repo, 'b.txt', 'b\n')
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Second')
  const second = head(b)
  await receive(source, { commit: second, packFile: pack(b, [second, `^${first}`]) })
  expect(b.workspaces.heldCommits(source).toSorted()).toEqual([first, second].toSorted())
  const opened = await b.workspaces.openSource({
    path: source.root,
    ref: second,
    includeDirty: false,
    signal,
  })
  expect(opened).toMatchObject({ commit: second, kept: true, dirty: { tracked: 0, untracked: 0 } })
  expect(gitIn(source.gitDir, '--git-dir', source.gitDir, 'fsck', '--strict')).toBe('')
  expect(fs.readdirSync(source.gitDir).filter((name) => name.includes('incoming'))).toEqual([])
})

test('receiveCommit() takes a shallow history where it was said that it ends there', async () => {
  const b = bench()
  write(b.repo, 'b.txt', 'b\n')
  b.git('add', '--all')
  b.git('commit', '--quiet', '--message', 'Second')
  const commit = head(b)
  const clone = path.join(b.dir, 'clone')
  gitIn(b.dir, 'clone', '--quiet', '--depth', '1', `file://${b.repo}`, clone)
  const packFile = pack({ ...b, repo: clone }, [commit])
  const whole = kept(b)
  await expect(receive(whole, { commit, packFile })).rejects.toMatchObject({ code: 'bad_request' })
  expectEmpty(whole)
  const source = kept(b, [commit])
  await receive(source, { commit, packFile })
  expect(b.workspaces.isHeld(source, commit)).toBe(true)
})

const GARBAGE: [string, (bytes: Buffer) => Buffer][] = [
  ['nothing', () => Buffer.alloc(0)],
  ['no pack', () => Buffer.from('<html>'.repeat(10))],
  ['half of one', (bytes) => bytes.subarray(0, bytes.length - 30)],
  [
    'one with a byte changed',
    (bytes) => Buffer.concat([bytes.subarray(0, 40), Buffer.from('!'), bytes.subarray(41)]),
  ],
]

test.each(GARBAGE)('receiveCommit() refuses %s and keeps nothing', async (_what, change) => {
  const b = bench()
  const source = kept(b)
  const packFile = pack(b, [head(b)])
  fs.writeFileSync(packFile, change(fs.readFileSync(packFile)))
  const sent = receive(source, { commit: head(b), packFile })
  await expect(sent).rejects.toMatchObject({ code: 'bad_request' })
  expectEmpty(source)
})

test('receiveCommit() refuses a pack that leans on what it does not hold', async () => {
  const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index * 7919}\n`)
  const b = bench({ 'a.txt': lines.join('') })
  const first = head(b)
  write(b.repo, 'a.txt', `${lines.join('')}more\n`)
  b.git('commit', '--quiet', '--all', '--message', 'Second')
  const commit = head(b)
  const thin = pack(b, [commit, `^${first}`], '--thin')
  const source = kept(b)
  await receive(source, { commit: first, packFile: pack(b, [first]) })
  // Git itself completes such a pack when asked to.
  const naive = spawnSync('git', ['index-pack', '--stdin', '--fix-thin'], {
    cwd: b.repo,
    input: fs.readFileSync(thin),
  })
  expect(naive.status).toBe(0)
  await expect(receive(source, { commit, packFile: thin })).rejects.toThrow('unresolved delta')
})

test('receiveCommit() refuses a commit whose files were left out', async () => {
  const b = bench()
  const source = kept(b)
  const commit = head(b)
  const packFile = path.join(b.dir, 'commit-alone')
  const args = ['pack-objects', '--stdout', '-q']
  fs.writeFileSync(packFile, execFileSync('git', args, { cwd: b.repo, input: `${commit}\n` }))
  await expect(receive(source, { commit, packFile })).rejects.toMatchObject({ code: 'bad_request' })
  expectEmpty(source)
  const other = receive(source, { commit: '1'.repeat(40), packFile: pack(b, [commit]) })
  await expect(other).rejects.toThrow('does not hold commit')
  expectEmpty(source)
})

/** A commit of a tree that no checkout should see, made without git's own checks. */
function evilCommit(b: Bench, entry: { mode: string; name: string; content: string }): string {
  const blob = gitFed(b.repo, entry.content, 'hash-object', '-w', '--stdin').trim()
  const tree = Buffer.concat([
    Buffer.from(`${entry.mode} ${entry.name}\0`),
    Buffer.from(blob, 'hex'),
  ])
  const args = ['hash-object', '-w', '--stdin', '-t', 'tree', '--literally']
  const oid = gitFed(b.repo, tree, ...args).trim()
  return b.git('commit-tree', '-m', 'x', oid).trim()
}

test.each([
  ['a repository in it', { mode: '100644', name: '.git', content: 'gitdir: /evil\n' }],
  ['one in the spelling of another system', { mode: '100644', name: 'GIT~1', content: 'x' }],
  ['a linked .gitmodules', { mode: '120000', name: '.gitmodules', content: '/etc/passwd' }],
  [
    'a submodule that is an option',
    {
      mode: '100644',
      name: '.gitmodules',
      content: '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n',
    },
  ],
  ['a name with a slash', { mode: '100644', name: 'a/b', content: 'x' }],
  ['two dots for a name', { mode: '100644', name: '..', content: 'x' }],
])('receiveCommit() refuses a tree with %s', async (_what, entry) => {
  const b = bench()
  const source = kept(b)
  const commit = evilCommit(b, entry)
  const packFile = pack(b, [commit])
  const naive = spawnSync('git', ['index-pack', '--stdin'], {
    cwd: b.repo,
    input: fs.readFileSync(packFile),
  })
  expect(naive.status).toBe(0)
  await expect(receive(source, { commit, packFile })).rejects.toMatchObject({ code: 'bad_request' })
  expectEmpty(source)
})

/** A pack of one object of a kind, whose size and bytes are what one likes. */
function oneObject(b: Bench, object: { type: number; size: number; bytes: Buffer }): string {
  const header = Buffer.alloc(12)
  header.write('PACK')
  header.writeUInt32BE(2, 4)
  header.writeUInt32BE(1, 8)
  const size: number[] = []
  let rest = Math.floor(object.size / 16)
  size.push((object.type << 4) | (object.size % 16) | (rest > 0 ? 0x80 : 0))
  for (; rest > 0; rest = Math.floor(rest / 128)) size.push((rest % 128) | (rest >= 128 ? 0x80 : 0))
  const body = Buffer.concat([header, Buffer.from(size), object.bytes])
  const file = path.join(b.dir, 'one-object')
  fs.writeFileSync(file, Buffer.concat([body, createHash('sha1').update(body).digest()]))
  return file
}

test('receiveCommit() holds git to its memory where a small pack asks for much', async () => {
  const b = bench()
  const source = kept(b)
  // A tree of 3 GiB in 3 MiB: git keeps trees in memory whole.
  const zeros = zlib.deflateSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 })
  const packFile = oneObject(b, { type: 2, size: 3 * 1024 ** 3, bytes: zeros })
  const limits = { ...PACK_LIMITS, memoryBytes: 1024 ** 3 }
  const sent = receive(source, { commit: head(b), packFile, limits })
  await expect(sent).rejects.toThrow(/[Oo]ut of memory/)
  expectEmpty(source)
})

test('receiveCommit() stops at its limits of bytes, objects and time', async () => {
  const b = bench()
  const source = kept(b)
  const commit = head(b)
  const packFile = pack(b, [commit])
  const limited = (limits: Partial<PackLimits>, file = packFile) =>
    receive(source, { commit, packFile: file, limits: { ...PACK_LIMITS, ...limits } })
  await expect(limited({ packBytes: 64 })).rejects.toMatchObject({ code: 'too_large' })
  await expect(limited({ objects: 2 })).rejects.toMatchObject({ code: 'too_large' })
  await expect(limited({ timeMs: 1 })).rejects.toThrow()
  // Much less on the wire than on the disk counts as what it becomes.
  const blob = zlib.deflateSync(Buffer.alloc(200 * 1024 * 1024), { level: 1 })
  const bomb = oneObject(b, { type: 3, size: 200 * 1024 * 1024, bytes: blob })
  await expect(limited({}, bomb)).rejects.toThrow('does not hold commit')
  expectEmpty(source)
})

test('what a tenant sent is not there for another', () => {
  const b = bench()
  const source = kept(b)
  expect(b.workspaces.findKept(source.id, 'acme')?.root).toBe(source.root)
  expect(b.workspaces.findKept(source.id, 'other')).toBeUndefined()
  expect(b.workspaces.findKept('../../x', 'acme')).toBeUndefined()
  const identity = { kind: 'upload', name: 'x', objectFormat: 'sha1', shallow: [] } as const
  expect(b.workspaces.keepSource({ ...identity, tenant: 'other' }).id).not.toBe(source.id)
})

test('pruneKept() removes what no run refers to and nobody has used lately, and nothing else', async () => {
  const b = bench()
  const source = kept(b)
  const commit = head(b)
  await receive(source, { commit, packFile: pack(b, [commit]) })
  await b.workspaces.openStore(source.root, signal)
  const stores = () => fs.readdirSync(path.join(b.stateDir, 'git'))
  expect(stores()).toHaveLength(1)
  const inUse = (roots: string[], commits: string[]) => () => ({
    roots: new Set(roots),
    commits: new Set(commits),
  })
  const searchPath = process.env['PATH'] ?? ''
  const day = () => Date.now() + 86_400_000
  const later = createWorkspaces({ stateDir: b.stateDir, searchPath, now: day })
  expect(await b.workspaces.pruneKept(inUse([], []), signal)).toEqual([])
  expect(await later.pruneKept(inUse([source.root], [commit]), signal)).toEqual([])
  expect(b.workspaces.isHeld(source, commit)).toBe(true)
  expect(await later.pruneKept(inUse([source.root], []), signal)).toEqual([])
  expect(b.workspaces.isHeld(source, commit)).toBe(false)
  expect(await later.pruneKept(inUse([], []), signal)).toEqual([source.root])
  expect(fs.existsSync(source.root)).toBe(false)
  expect(stores()).toEqual([])
})

test('a start removes the quarantine of a process that is gone, and leaves that of one at work', async () => {
  const b = bench()
  const source = kept(b)
  const dead = path.join(source.gitDir, 'incoming-0123456789abcdef')
  fs.mkdirSync(path.join(dead, 'objects'), { recursive: true })
  await inQuarantine(source, async ({ gitDir }) => {
    await b.workspaces.sweep(() => false)
    expect(fs.existsSync(dead)).toBe(false)
    expect(fs.existsSync(path.join(gitDir, 'HEAD'))).toBe(true)
  })
  expectEmpty(source)
})
