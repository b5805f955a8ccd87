import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyOf, openCassette } from './cassette.ts'

let folder = ''
let file = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'openexec-cassette-'))
  file = join(folder, 'c.cassette')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'super-secret-key-of-somebody'
const URL = 'https://models.example.org/v1/messages'
const ask = (body: unknown) => ({
  method: 'POST',
  headers: { authorization: `Bearer ${SECRET}` },
  body: JSON.stringify(body),
})

async function recorded(answers: readonly string[], bodies: readonly unknown[]): Promise<void> {
  const left = [...answers]
  const server: typeof fetch = async () =>
    new Response(left.shift(), {
      headers: { 'content-type': 'text/event-stream', 'set-cookie': SECRET },
    })
  const recording = await openCassette({ file, mode: 'record', fetch: server, secrets: [SECRET] })
  for (const body of bodies) await (await recording(URL, ask(body))).text()
}

const never: typeof fetch = () => {
  throw new Error('The network was reached')
}
const replaying = () => openCassette({ file, mode: 'replay', fetch: never, secrets: [] })

test('openCassette() answers equal requests in the order they were recorded', async () => {
  await recorded(['one', 'two', 'other'], [{ a: 1 }, { a: 1 }, { a: 2 }])
  const play = await replaying()
  const say = async (body: unknown) => await (await play(URL, ask(body))).text()
  expect([await say({ a: 2 }), await say({ a: 1 }), await say({ a: 1 })]).toEqual([
    'other',
    'one',
    'two',
  ])
  await expect(say({ a: 1 })).rejects.toThrow(/3 of 3 answers are used up/)
})

test('openCassette() shows how the nearest request differs', async () => {
  await recorded(
    ['x', 'y'],
    [
      { model: 'm', messages: ['Fix the tests'] },
      { model: 'other', x: 1 },
    ],
  )
  const play = await replaying()
  const missed = play(URL, ask({ model: 'm', messages: ['Fix the build'] }))
  await expect(missed).rejects.toMatchObject({ failure: { class: 'cassette_miss', charged: 'no' } })
  await expect(missed).rejects.toThrow(
    /messages\.0: recorded .*Fix the tests.*sent .*Fix the build/,
  )
})

test('openCassette() writes no secret, and no header of a request', async () => {
  const token = `ghp_${'a1B2'.repeat(10)}`
  await recorded(
    [`data: {"text":"${SECRET} ${token}"}\n\n`],
    [{ prompt: `use ${SECRET} and ${token}` }],
  )
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain(SECRET)
  expect(text).not.toContain(token)
  expect(text).not.toContain('authorization')
  // What was taken out of the copy is not missed when the same is asked again.
  const answer = await (await replaying())(URL, ask({ prompt: `use ${SECRET} and ${token}` }))
  expect(await answer.text()).toContain('«secret')
})

test('keyOf() is the same where only times, ids and hashes differ', () => {
  const of = (text: string) => keyOf({ method: 'POST', path: '/v1', body: { text } })
  const hash = (digit: string) => digit.repeat(64)
  expect(of(`took 12.5 ms at 2026-01-02T03:04:05Z, run_aaaaaaaaaaaaaaaa ${hash('a')}`)).toBe(
    of(`took 9 ms at 2027-11-12T13:14:15.123Z, run_bbbbbbbbbbbbbbb2 ${hash('b')}`),
  )
  expect(of('took 12 steps')).not.toBe(of('took 13 steps'))
})

test('openCassette() refuses to overwrite, and what is no cassette', async () => {
  await recorded(['x'], [{}])
  const open = (mode: 'record' | 'replay') =>
    openCassette({ file, mode, fetch: never, secrets: [] })
  await expect(open('record')).rejects.toMatchObject({ code: 'config_invalid' })
  writeFileSync(file, 'hello\n')
  await expect(open('replay')).rejects.toThrow(/it is no cassette/)
  rmSync(file)
  await expect(open('replay')).rejects.toThrow(/it cannot be read/)
})

test('openCassette() keeps no answer that was cut short', async () => {
  const broken: typeof fetch = async () =>
    new Response(new ReadableStream({ start: (to) => to.error(new Error('Lost')) }))
  const recording = await openCassette({ file, mode: 'record', fetch: broken, secrets: [] })
  await expect(recording(URL, ask({}))).rejects.toThrow()
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1)
})
