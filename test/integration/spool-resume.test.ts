import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDir } from '../helpers/state.ts'
import { createRedactor } from '../../src/events/index.ts'
import { followOutput } from '../../src/artifacts/follow-output.ts'
import { resumeSpool } from '../../src/artifacts/resume-spool.ts'
import { openSpool } from '../../src/artifacts/spool.ts'
import type { Stream } from '../../src/artifacts/spool-format.ts'

const step = 'test.1.run'
/** One that begins as it ends, so that a mark can be written before all of it is known. */
const redactor = createRedactor([{ name: 'S', value: 'ababcdab' }])
const never = new AbortController().signal

function options(outputDir: string, maxBytes: number) {
  return { outputDir, step, maxBytes, newFilter: (covered = 0) => redactor.stream(covered) }
}

interface Write {
  stream: Stream
  chunk: string
}

const writes = fc.array(
  fc.record({
    stream: fc.constantFrom<Stream>('stdout', 'stderr'),
    chunk: fc
      .array(fc.constantFrom('ab', 'abab', 'cdab', 'ababcdab', 'x', '\n', 'a', '0123456789'), {
        minLength: 1,
        maxLength: 8,
      })
      .map((parts) => parts.join('')),
  }),
  { minLength: 1, maxLength: 24 },
)

async function whole(dir: string, given: readonly Write[], maxBytes: number) {
  const spool = await openSpool(options(dir, maxBytes))
  for (const { stream, chunk } of given) await spool.write(stream, Buffer.from(chunk))
  return shown(await spool.finish())
}

function shown(output: Awaited<ReturnType<Awaited<ReturnType<typeof openSpool>>['finish']>>) {
  return (['stdout', 'stderr'] as const).map((stream) => {
    const { file, bytes, kept, truncated, sha256 } = output[stream]
    const text = readFileSync(file, 'latin1')
    return { text, bytes, kept, truncated, ...(!truncated && { sha256 }) }
  })
}

/** All bytes the command writes to one stream. */
function bytesOf(given: readonly Write[], stream: Stream): Buffer {
  const chunks = given.filter((one) => one.stream === stream).map(({ chunk }) => chunk)
  return Buffer.from(chunks.join(''))
}

async function followed(dir: string): Promise<Record<Stream, string>> {
  const texts = { stdout: '', stderr: '' }
  const look = { fromStart: true, isOver: () => true, signal: never }
  for await (const { stream, data, leftOut } of followOutput(dir, look))
    texts[stream] += leftOut > 0 ? `[${leftOut}]` : Buffer.from(data).toString('latin1')
  return texts
}

const torn = fc.constantFrom('nothing', 'stream ahead', 'index behind', 'half a line')

/** What a kill between any two writes of the system may leave. */
function tear(dir: string, how: string): void {
  const file = (end: string) => {
    const name = readdirSync(dir).find((each) => each.endsWith(end))
    if (name === undefined) throw new Error(`Cannot find the ${end}`)
    return join(dir, name)
  }
  const index = file('.index')
  if (how === 'half a line') appendFileSync(index, 'o 1')
  if (how === 'index behind') {
    const text = readFileSync(index, 'utf8')
    const lines = text.trimEnd().split('\n')
    if (lines.length > 1) truncateSync(index, text.length - (lines.at(-1)?.length ?? 0) - 1)
  }
}

test('resumeSpool() goes on to the byte wherever the process before it was killed', async () => {
  await fc.assert(
    fc.asyncProperty(
      writes,
      fc.nat(),
      torn,
      fc.constantFrom(4_000, 4_000, 60),
      async (given, cut, how, maxBytes) => {
        using one = openTestDir()
        using two = openTestDir()
        using three = openTestDir()
        const at = cut % (given.length + 1)
        const killed = await openSpool(options(one.path, maxBytes))
        for (const { stream, chunk } of given.slice(0, at))
          await killed.write(stream, Buffer.from(chunk))
        cpSync(one.path, two.path, { recursive: true })
        // The system has taken what the process could not tell of any more.
        const next = given[at]
        if (how === 'stream ahead' && next !== undefined) {
          await killed.write(next.stream, Buffer.from(next.chunk))
          for (const name of readdirSync(one.path))
            if (!name.endsWith('.position') && !name.endsWith('.index'))
              cpSync(join(one.path, name), join(two.path, name))
        }
        await killed.finish()
        tear(two.path, how)
        const { spool, from } = await resumeSpool(options(two.path, maxBytes))
        for (const stream of ['stdout', 'stderr'] as const) {
          const rest = bytesOf(given, stream).subarray(from?.[stream])
          await spool.write(stream, rest)
        }
        const resumed = shown(await spool.finish())
        const expected = await whole(three.path, given, maxBytes)
        if (maxBytes > 1_000) {
          expect(resumed).toEqual(expected)
          expect(await followed(two.path)).toEqual(await followed(three.path))
        } else expect(resumed.map(({ bytes }) => bytes)).toEqual(expected.map(({ bytes }) => bytes))
        expect(readdirSync(two.path).filter((name) => /\.\d+$|position/.test(name))).toEqual([])
      },
    ),
    { numRuns: 60, seed: 20_261_122 },
  )
})

test('resumeSpool() never acknowledges bytes that it still would lose', async () => {
  using dir = openTestDir()
  const spool = await openSpool(options(dir.path, 4_000))
  expect(await spool.write('stdout', Buffer.from('x abab'))).toBe(4)
  expect(readFileSync(join(dir.path, `${step}-1.stdout`), 'utf8')).toBe('x ')
  const resumed = await resumeSpool(options(dir.path, 4_000))
  expect(resumed.from).toEqual({ stdout: 2, stderr: 0 })
  await Promise.all([spool.finish(), resumed.spool.finish()])
})

test('resumeSpool() of one that had ended gives its end again', async () => {
  using dir = openTestDir()
  const spool = await openSpool(options(dir.path, 4_000))
  await spool.write('stdout', Buffer.from('done\n'))
  const { stdout } = await spool.finish()
  const resumed = await resumeSpool(options(dir.path, 4_000))
  expect(resumed.from).toBeUndefined()
  // Its command tells some of it again.
  await resumed.spool.write('stdout', Buffer.from('ne\n'))
  const again = await resumed.spool.finish()
  expect(again.stdout).toEqual(stdout)
  expect(stdout.sha256).toBe(createHash('sha256').update('done\n').digest('hex'))
})

test('resumeSpool() says not_found where there is no output of that command', async () => {
  using dir = openTestDir()
  await expect(resumeSpool(options(dir.path, 4_000))).rejects.toMatchObject({ code: 'not_found' })
})
