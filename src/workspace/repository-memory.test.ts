import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createRepositoryMemory, remembered, stampFiles, stampTree } from './repository-memory.ts'

const asked = () => {
  let count = 0
  return { work: async () => (count += 1) }
}

/** Old enough to be told from any later write. */
function oldFiles(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'openexec-memory-'))
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('remembered() asks once for the same facts, and anew for others or none', async () => {
  const memory = createRepositoryMemory()
  const { work } = asked()
  const ask = (facts: string[] | undefined) => remembered(memory, { name: 'n', facts }, work)
  expect([await ask(['a']), await ask(['a']), await ask(['b'])]).toEqual([1, 1, 2])
  expect([await ask(undefined), await ask(undefined)]).toEqual([3, 4])
  expect(await remembered(undefined, { name: 'n', facts: ['a'] }, work)).toBe(5)
  expect(await remembered(memory, { name: 'other', facts: ['a'] }, work)).toBe(6)
})

test('remembered() shares one question between callers, but not its failure', async () => {
  const memory = createRepositoryMemory()
  let fail: (error: Error) => void = () => {}
  const failing = new Promise<number>((_resolve, reject) => {
    fail = reject
  })
  const question = { name: 'n', facts: ['a'] }
  const first = remembered(memory, question, () => failing)
  const second = remembered(memory, question, async () => 2)
  fail(new Error('cancelled'))
  await expect(first).rejects.toThrow('cancelled')
  await expect(second).resolves.toBe(2)
})

test('remembered() forgets what was asked for longest ago when it knows too much', async () => {
  const memory = createRepositoryMemory()
  const { work } = asked()
  const ask = (fact: string) =>
    remembered(memory, { name: 'n', facts: [fact], weigh: () => 30 * 1024 * 1024 }, work)
  expect([await ask('a'), await ask('b'), await ask('a'), await ask('c')]).toEqual([1, 2, 1, 3])
  expect([await ask('a'), await ask('b')]).toEqual([1, 4])
})

test('stampFiles() says nothing of a file that has just been written', () => {
  const directory = oldFiles()
  fs.writeFileSync(join(directory, 'a'), 'a')
  expect(stampFiles([join(directory, 'a')])).toBeUndefined()
  expect(stampTree(directory, { entriesMax: 10, skip: () => false })).toBeUndefined()
  expect(stampFiles([join(directory, 'none')])).toEqual(['none'])
})

test('stampTree() gives up on a tree that is too large', () => {
  const settled = { skip: () => false }
  expect(stampTree('/proc/self/attr', { ...settled, entriesMax: 1 })).toBeUndefined()
  expect(stampTree('/no/such/directory', { ...settled, entriesMax: 1 })).toEqual([])
})
