/** The whole life of a workspace over one fixture, and what must be true whatever the fixture holds. */
import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { OpenExecError } from '../../src/schema/index.ts'
import type { Source, Workspace } from '../../src/workspace/index.ts'
import {
  type Bench,
  bench,
  fingerprint,
  gitInside,
  limits,
  marker,
  shell,
  signal,
} from '../integration/workspace-fixture.ts'
import { type Arena, type HostileFixture, type Planted, SECRET } from './fixture.ts'

/** `ms` any one life may take, on a machine that does much else. */
const LIFE_MS_MAX = 60_000
const GROWTH_BYTES_MAX = 400 * 1024 * 1024
/** Small, so that floods are short; one fixture each runs into them. */
const LIMITS = { ...limits, entries: 5000, fileBytes: 16 * 1024 ** 2, totalBytes: 32 * 1024 ** 2 }

export async function expectHarmless(fixture: HostileFixture): Promise<void> {
  const made = arenaOf(fixture)
  const { b, m, outside } = made
  fixture.source?.(made)
  const arena: Begun = { ...made, sound: fsckOf(b) }
  const source = await orRefused(fixture, () => b.open())
  if (source === undefined) return expectUntouched(arena, fingerprint(b.repo))
  const before = fingerprint(b.repo)
  const workspace = await orRefused(fixture, () => b.create({ source }))
  if (workspace === undefined) {
    expect(fixture.control(withoutWorkspace(arena)), 'the positive control').toBe(true)
    return expectUntouched(arena, before)
  }
  const planted = plantedOf(arena, workspace)
  fixture.plant?.(planted)
  const stop = fixture.race?.(planted)
  let around = new Map<string, string>()
  const [started, held] = [performance.now(), process.memoryUsage().rss]
  try {
    expect(fixture.control(planted), 'the positive control').toBe(true)
    m.clear()
    around = fingerprint(outside)
    await live(fixture, planted, source)
  } finally {
    stop?.()
  }
  await b.workspaces.remove(workspace.slotDir)
  await b.workspaces.sweep(() => false)
  expect(performance.now() - started).toBeLessThan(LIFE_MS_MAX)
  expect(process.memoryUsage().rss - held).toBeLessThan(GROWTH_BYTES_MAX)
  expect(fingerprint(outside)).toEqual(around)
  expectUntouched(arena, before)
}

interface Begun extends Arena {
  /** What fsck said of the repository before anything was done with it. */
  sound: string
}

function fsckOf({ repo }: Bench): string {
  return shell(repo, 'git fsck --no-dangling 2>&1; echo "exit $?"')
}

function arenaOf(fixture: HostileFixture): Arena {
  const b = bench(fixture.files)
  const outside = path.join(b.dir, 'outside')
  fs.mkdirSync(outside)
  fs.writeFileSync(path.join(outside, 'secret'), SECRET)
  return { b, m: marker(b.dir), outside }
}

function plantedOf(arena: Arena, workspace: Workspace): Planted {
  const git = path.join(workspace.slotDir, 'git')
  return { ...arena, workspace, tree: workspace.treeDir, git }
}

/** For controls of what never becomes a workspace: they work on the repository alone. */
function withoutWorkspace(arena: Arena): Planted {
  const unused = new Proxy({}, { get: () => expect.fail('there is no workspace') })
  // Nothing of it can be used, which the proxy sees to.
  return { ...arena, workspace: unused as Workspace, tree: arena.b.repo, git: arena.b.repo }
}

async function orRefused<T>(
  { refusedAtCreate: code }: HostileFixture,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (code === undefined) throw error
    expect(error).toMatchObject({ code })
    return undefined
  }
}

/** Everything the host does with a workspace, and the next run from it. */
async function live(fixture: HostileFixture, planted: Planted, source: Source): Promise<void> {
  const { b, workspace } = planted
  const { store, baseTree, baseCommit, runId } = workspace
  const snapshot = async (): Promise<string> => {
    const taken = await workspace.snapshot({ baseTree, limits: LIMITS, signal })
    const reasons = taken.refused.map(({ reason }) => reason)
    for (const reason of fixture.reports ?? []) expect(reasons).toContain(reason)
    return taken.tree
  }
  if (fixture.limit !== undefined) {
    await expect(snapshot()).rejects.toMatchObject({ details: { limit: fixture.limit } })
    return
  }
  const tree = await snapshot()
  expectNoSecret(store.gitDir, tree)
  const trees = { from: baseTree, to: tree, signal }
  await b.workspaces.diffSummary(store, trees)
  await b.workspaces.diffPatch(store, { ...trees, maxBytes: 1_000_000 })
  const inside = await collected(fixture, workspace)
  const parent = baseCommit
  const commit = await b.workspaces.checkpoint(store, { runId, number: 1, tree, parent, signal })
  const request = { runId, baseCommit, tree, inside, message: 'Result\n', atMs: 0, signal }
  await b.workspaces.resultCommit(store, request)
  await forked(planted, { ...source, commit, tree })
  await settled(() => workspace.restore({ tree: baseTree, limits: LIMITS, signal }))
  await applied(planted, trees)
}

async function collected(
  fixture: HostileFixture,
  workspace: Workspace,
): Promise<string | undefined> {
  const made = await settled(() => workspace.collectCommits(signal))
  if (fixture.commitsRefused === true) expect(made).toBeUndefined()
  if (made !== undefined) expectNoSecret(workspace.store.gitDir, made.commit)
  return made?.descends === true ? made.commit : undefined
}

async function forked({ b, m }: Planted, source: Source): Promise<void> {
  const fork = await settled(() => b.create({ runId: 'run_fork', source }))
  if (fork === undefined) return
  expect(gitInside(fork, 'rev-parse', 'HEAD').out.trim()).toBe(source.commit)
  m.clear()
  await b.workspaces.remove(fork.slotDir)
}

/** To a copy, so that the user's own repository can be held against what it was. */
async function applied(
  { b, outside, m }: Planted,
  trees: { from: string; to: string; signal: AbortSignal },
): Promise<void> {
  const before = fingerprint(outside)
  const gitDir = fingerprint(path.join(b.repo, '.git'))
  const files = path.join(b.dir, 'files')
  shell(b.dir, 'mkdir files && cp -a repo/. files/ && rm -rf files/.git')
  await settled(() => b.workspaces.apply(b.repo, trees))
  expect(fingerprint(outside)).toEqual(before)
  expect(m.ran()).toBe(false)
  expect(fingerprint(path.join(b.repo, '.git'))).toEqual(gitDir)
  shell(
    b.dir,
    'find repo -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} + && cp -a files/. repo/',
  )
  fs.rmSync(files, { recursive: true })
}

/** A refusal with a code is an answer; anything else thrown is a bug. */
async function settled<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof OpenExecError && error.code !== 'internal') return undefined
    throw error
  }
}

function expectNoSecret(gitDir: string, tree: string): void {
  const found = shell(gitDir, `git grep -qF '${SECRET}' ${tree} && echo found || true`)
  expect(found).toBe('')
}

function expectUntouched({ b, m, sound }: Begun, before: Map<string, string>): void {
  expect(m.ran()).toBe(false)
  expect(fingerprint(b.repo)).toEqual(before)
  // Some sources are unsound from the beginning; none is less sound than it was.
  expect(fsckOf(b)).toBe(sound)
  expect(fs.readdirSync(path.join(b.stateDir, 'work'))).toEqual([])
}
