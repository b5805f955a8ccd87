/** A disk that is really full: a small tmpfs, which only root may mount. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createArtifacts, followOutput, openSpool } from '../../src/artifacts/index.ts'
import { createRedactor, createTimeline } from '../../src/events/index.ts'
import { openState } from '../../src/state/index.ts'
import { countingIds, openTestDir, seedRun, testRun } from '../helpers/state.ts'

const runId = testRun().id
const log = { info: () => {}, warn: () => {} }

/** A file system of `size` that is unmounted and removed again; `undefined` where that is not allowed. */
function mountSmall(size: string) {
  const dir = openTestDir()
  const mounted = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir.path])
  if (mounted.status !== 0) {
    dir[Symbol.dispose]()
    return undefined
  }
  return {
    path: dir.path,
    [Symbol.dispose]: () => {
      spawnSync('/bin/umount', ['--lazy', dir.path])
      dir[Symbol.dispose]()
    },
  }
}

const allowed = (() => {
  using disk = mountSmall('64k')
  return disk !== undefined
})()

function openDisk(size: string) {
  const disk = mountSmall(size)
  if (disk === undefined) throw new Error('Cannot mount a small file system')
  return disk
}

/** Takes all space that is left. */
function fill(path: string): string {
  const { bavail, bsize } = statfsSync(path)
  const file = join(path, 'ballast')
  writeFileSync(file, Buffer.alloc(bavail * bsize))
  return file
}

test.skipIf(!allowed)('a full disk stops writes by name, and reads and later writes go on', () => {
  using disk = openDisk('4m')
  using state = openState({ file: join(disk.path, 'openexec.db') })
  seedRun(state)
  using timeline = createTimeline({
    state,
    now: Date.now,
    redactorOf: () => createRedactor([]),
    mirror: { runsDir: join(disk.path, 'runs'), log },
  })
  timeline.publish(runId, { type: 'notice', payload: { n: 1 } })
  const ballast = fill(disk.path)
  const large = { type: 'notice', payload: { text: 'x'.repeat(60_000) } } as const
  expect(() => {
    for (let i = 0; i < 100; i++) timeline.publish(runId, large)
  }).toThrow(
    expect.objectContaining({
      code: 'state_unusable',
      message: expect.stringContaining('the disk is full'),
    }),
  )
  expect(timeline.verify(runId).ok).toBe(true)
  rmSync(ballast)
  timeline.publish(runId, large)
  expect(timeline.verify(runId).ok).toBe(true)
  expect(state.checkIntegrity()).toBe('ok')
})

test.skipIf(!allowed)(
  'a full disk ends a spool by name, and what was written can be read',
  async () => {
    using disk = openDisk('1m')
    const outputDir = join(disk.path, 'output')
    mkdirSync(outputDir)
    const redactor = createRedactor([])
    const spool = await openSpool({
      outputDir,
      step: 'flood',
      maxBytes: 64_000_000,
      newFilter: () => redactor.stream(),
    })
    const full = expect.objectContaining({
      code: 'state_unusable',
      message: 'Cannot store the output of "flood": the disk is full',
    })
    const flood = async () => {
      for (let i = 0; i < 100; i++) await spool.write('stdout', Buffer.alloc(64 * 1024, 'x'))
    }
    await expect(flood()).rejects.toThrow(full)
    await expect(spool.write('stderr', Buffer.from('x'))).rejects.toThrow(full)
    await expect(spool.finish()).rejects.toThrow(full)
    let read = 0
    const options = { fromStart: true, isOver: () => true, signal: new AbortController().signal }
    for await (const { data } of followOutput(outputDir, options)) read += data.length
    expect(read).toBeGreaterThan(500_000)
  },
)

test.skipIf(!allowed)(
  'a full disk refuses an artifact by name and leaves no part of it',
  async () => {
    using disk = openDisk('1m')
    using state = openState({ file: ':memory:' })
    seedRun(state)
    const artifacts = createArtifacts({
      state,
      root: disk.path,
      now: Date.now,
      newId: countingIds(),
      log,
    })
    const draft = { runId, name: 'x', type: 'report', mediaType: 'text/plain' } as const
    const content = Buffer.alloc(2_000_000)
    await expect(artifacts.save({ ...draft, content })).rejects.toMatchObject({
      code: 'state_unusable',
      message: 'Cannot store an artifact: the disk is full',
    })
    expect(readdirSync(join(disk.path, 'blobs', 'incoming'))).toEqual([])
    expect(artifacts.list(runId)).toEqual([])
    await artifacts.save({ ...draft, content: content.subarray(0, 1000) })
  },
)
