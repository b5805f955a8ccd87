import fc from 'fast-check'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDir } from '../../test/helpers/state.ts'
import { followOutput } from './follow-output.ts'
import { type ByteFilter, openSpool } from './spool.ts'
import type { Stream } from './spool-format.ts'
import { createSpoolIndex, openSpoolIndex } from './spool-index.ts'
import type { OutputPiece } from './spool-reader.ts'

const never = new AbortController().signal
const text = (value: string) => Buffer.from(value)

const plain = (): ByteFilter => ({
  write: (chunk) => chunk,
  end: () => new Uint8Array(),
  waiting: () => ({ bytes: 0, covered: 0 }),
})

function spoolIn(outputDir: string, { maxBytes = 4000, step = 'test.1.run' } = {}) {
  return openSpool({ outputDir, step, maxBytes, newFilter: plain })
}

async function readAll(outputDir: string): Promise<OutputPiece[]> {
  const pieces: OutputPiece[] = []
  const options = { fromStart: true, isOver: () => true, signal: never }
  for await (const piece of followOutput(outputDir, options)) pieces.push(piece)
  return pieces
}

function bytesOf(pieces: readonly OutputPiece[], stream: Stream): string {
  return pieces
    .filter((piece) => piece.stream === stream)
    .map(({ data, leftOut }) => (leftOut > 0 ? `[${leftOut}]` : Buffer.from(data).toString()))
    .join('')
}

test('a spool keeps small output whole, private, and in order of arrival', async () => {
  using dir = openTestDir()
  const spool = await spoolIn(dir.path)
  await spool.write('stdout', text('one\n'))
  await spool.write('stderr', text('two\n'))
  await spool.write('stdout', text('three\n'))
  const { stdout, stderr } = await spool.finish()
  expect(stdout).toMatchObject({
    bytes: 10,
    kept: 10,
    truncated: false,
    tail: 'one\nthree\n',
    sha256: createHash('sha256').update('one\nthree\n').digest('hex'),
  })
  expect(stderr).toMatchObject({ bytes: 4, truncated: false, tail: 'two\n' })
  expect(readFileSync(stdout.file, 'utf8')).toBe('one\nthree\n')
  const pieces = await readAll(dir.path)
  expect(
    pieces.map(({ stream, offset, data }) => [stream, offset, Buffer.from(data).toString()]),
  ).toEqual([
    ['stdout', 0, 'one\n'],
    ['stderr', 0, 'two\n'],
    ['stdout', 4, 'three\n'],
  ])
  expect(pieces[0]).toMatchObject({ step: 'test.1.run', n: 1, leftOut: 0 })
  const files = readdirSync(dir.path)
  expect(files.sort()).toEqual(['test.1.run-1.index', 'test.1.run-1.stderr', 'test.1.run-1.stdout'])
  for (const file of files) expect(statSync(join(dir.path, file)).mode & 0o777).toBe(0o600)
})

test('a spool of output that is too long keeps both ends and marks the cut', async () => {
  using dir = openTestDir()
  const spool = await spoolIn(dir.path, { maxBytes: 40 })
  await spool.write('stdout', text('0123456789abcdefghijKLMNOPQRSTUVWXYZ'))
  const { stdout } = await spool.finish()
  expect(readFileSync(stdout.file, 'utf8')).toBe('0123456789\n… 16 bytes left out …\nQRSTUVWXYZ')
  expect(stdout).toMatchObject({ bytes: 36, kept: 20, truncated: true })
  expect(bytesOf(await readAll(dir.path), 'stdout')).toBe('0123456789[16]QRSTUVWXYZ')
  expect(readdirSync(dir.path)).toHaveLength(3)
})

test('what a spool keeps depends on the bytes alone, not on how they come', async () => {
  const input = fc.record({
    cap: fc.integer({ min: 1, max: 12 }),
    chunks: fc.array(
      fc.tuple(fc.constantFrom<Stream>('stdout', 'stderr'), fc.uint8Array({ maxLength: 30 })),
      { maxLength: 12 },
    ),
  })
  const property = fc.asyncProperty(input, async ({ cap, chunks }) => {
    using dir = openTestDir()
    const spool = await spoolIn(dir.path, { maxBytes: cap * 4 })
    const live: OutputPiece[] = []
    for (const [stream, chunk] of chunks) await spool.write(stream, chunk)
    live.push(...(await readAll(dir.path)))
    const output = await spool.finish()
    const after = await readAll(dir.path)
    for (const stream of ['stdout', 'stderr'] as const) {
      const all = Buffer.concat(
        chunks.filter(([name]) => name === stream).map(([, chunk]) => chunk),
      )
      const leftOut = Math.max(0, all.length - 2 * cap)
      const mark = text(leftOut === 0 ? '' : `\n… ${leftOut} bytes left out …\n`)
      const ends = [all.subarray(0, cap), mark, all.subarray(Math.max(cap, all.length - cap))]
      expect(readFileSync(output[stream].file)).toEqual(Buffer.concat(ends))
      expect(output[stream].sha256).toBe(createHash('sha256').update(all).digest('hex'))
      for (const pieces of [live, after]) {
        let offset = 0
        for (const piece of pieces.filter((one) => one.stream === stream)) {
          expect(piece.offset).toBe(offset)
          const end = offset + piece.data.length
          expect(Buffer.from(piece.data)).toEqual(all.subarray(offset, end))
          offset = end + piece.leftOut
        }
        expect(offset).toBe(all.length)
      }
    }
  })
  await fc.assert(property, { numRuns: 60 })
})

test('followOutput() gives what comes, of all commands, and ends when the run is over', async () => {
  using dir = openTestDir()
  const outputDir = join(dir.path, 'output')
  let over = false
  const seen: string[] = []
  const followed = (async () => {
    const options = { fromStart: true, isOver: () => over, signal: never }
    for await (const { step, data } of followOutput(outputDir, options))
      seen.push(`${step}: ${Buffer.from(data).toString()}`)
  })()
  mkdirSync(outputDir)
  for (const step of ['lint', 'test']) {
    const spool = await spoolIn(outputDir, { step })
    await spool.write('stdout', text('a'))
    await expect.poll(() => seen.at(-1)).toBe(`${step}: a`)
    await spool.write('stderr', text('b'))
    await spool.finish()
  }
  over = true
  await followed
  expect(seen).toEqual(['lint: a', 'lint: b', 'test: a', 'test: b'])
})

test('followOutput() gives only what comes when told so, and ends on abort', async () => {
  using dir = openTestDir()
  const spool = await spoolIn(dir.path)
  await spool.write('stdout', text('old'))
  const stop = new AbortController()
  const seen: OutputPiece[] = []
  const followed = (async () => {
    const options = { fromStart: false, isOver: () => false, signal: stop.signal }
    for await (const piece of followOutput(dir.path, options)) seen.push(piece)
  })()
  await expect
    .poll(async () => {
      await spool.write('stdout', text('.'))
      return seen.length
    })
    .toBeGreaterThan(0)
  stop.abort()
  await followed
  await spool.finish()
  expect(seen[0]?.offset).toBeGreaterThanOrEqual(3)
})

test('a follower that is left behind is told how much it missed', async () => {
  using dir = openTestDir()
  const spool = await spoolIn(dir.path, { maxBytes: 40 })
  await spool.write('stdout', text('0123456789'))
  const options = { fromStart: true, isOver: () => false, signal: never }
  const follower = followOutput(dir.path, options)
  expect((await follower.next()).value).toMatchObject({ offset: 0, leftOut: 0 })
  for (let i = 0; i < 10; i++) await spool.write('stdout', text(`${i}:90123456`))
  const missed: { value?: OutputPiece | void } = await follower.next()
  expect(missed.value).toMatchObject({ offset: 10, leftOut: 80 })
  expect((await follower.next()).value).toMatchObject({ offset: 90, leftOut: 0 })
  await follower.return(undefined)
  await spool.finish()
})

test('a filter holds back until the end, and nothing is lost', async () => {
  using dir = openTestDir()
  const holding = (): ByteFilter => {
    let held = Buffer.alloc(0)
    return {
      write: (chunk) => {
        const all = Buffer.concat([held, chunk])
        held = all.subarray(-1)
        return all.subarray(0, -1)
      },
      end: () => held,
      waiting: () => ({ bytes: held.length, covered: 0 }),
    }
  }
  const spool = await openSpool({
    outputDir: dir.path,
    step: 's',
    maxBytes: 400,
    newFilter: holding,
  })
  await spool.write('stdout', text('ab'))
  await spool.write('stdout', text('c'))
  const { stdout } = await spool.finish()
  expect(readFileSync(stdout.file, 'utf8')).toBe('abc')
})

test('streams that alternate without end leave a small index', async () => {
  using dir = openTestDir()
  const path = join(dir.path, 'x.index')
  createSpoolIndex(path, { v: 1, step: 's', head: 1, tail: 1 })
  const index = await openSpoolIndex(path, { exactLinesMax: 10 })
  for (let i = 0; i < 2000; i++) await index.add(i % 2 === 0 ? 'stdout' : 'stderr', 1)
  const ends = { bytes: 1000, head: 1, tail: 1 }
  await index.end({ stdout: ends, stderr: ends })
  await index.close()
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(lines.length).toBeLessThan(200)
  const sum = (letter: string) =>
    lines.reduce((total, line) => total + (line.startsWith(letter) ? Number(line.slice(2)) : 0), 0)
  expect([sum('o'), sum('e')]).toEqual([1000, 1000])
})

test('names of commands make no paths, and equal names make different files', async () => {
  using dir = openTestDir()
  const outputDir = join(dir.path, 'output')
  mkdirSync(outputDir)
  for (let i = 0; i < 2; i++) {
    const spool = await spoolIn(outputDir, { step: '../../evil\n' })
    await spool.write('stdout', text('x'))
    await spool.finish()
  }
  expect(readdirSync(dir.path)).toEqual(['output'])
  expect(
    readdirSync(outputDir)
      .filter((file) => file.endsWith('.index'))
      .sort(),
  ).toEqual(['evil_-1.index', 'evil_-2.index'])
  expect((await readAll(outputDir)).map(({ step }) => step)).toEqual([
    '../../evil\n',
    '../../evil\n',
  ])
})

test('spools that are opened at once have names of their own', async () => {
  using dir = openTestDir()
  const spools = await Promise.all([spoolIn(dir.path), spoolIn(dir.path), spoolIn(dir.path)])
  await Promise.all(spools.map((spool, i) => spool.write('stdout', text(String(i)))))
  await Promise.all(spools.map((spool) => spool.finish()))
  const shown = (await readAll(dir.path)).map(({ n, data }) => [n, Buffer.from(data).toString()])
  expect(shown).toEqual([
    [1, '0'],
    [2, '1'],
    [3, '2'],
  ])
})

test('openSpool() fails by name where nothing can be written', async () => {
  using dir = openTestDir()
  writeFileSync(join(dir.path, 'output'), '')
  await expect(spoolIn(join(dir.path, 'output'))).rejects.toMatchObject({
    code: 'state_unusable',
    message: 'Cannot store the output of "test.1.run"',
  })
})

test('a reader passes over what a crash left half written', async () => {
  using dir = openTestDir()
  const spool = await spoolIn(dir.path)
  await spool.write('stdout', text('abc'))
  appendFileSync(join(dir.path, 'test.1.run-1.index'), 'o 99')
  expect(bytesOf(await readAll(dir.path), 'stdout')).toBe('abc')
  await spool.finish()
})
