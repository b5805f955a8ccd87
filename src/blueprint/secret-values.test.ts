import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { OperatorSecret, SecretBinding } from '../schema/index.ts'
import { type SecretReader, secretValues } from './secret-values.ts'

const directory = mkdtempSync(join(tmpdir(), 'openexec-secret-'))
afterAll(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'token')
writeFileSync(file, 'value-of-a-file\n', { mode: 0o600 })
const path = process.env['PATH'] ?? ''
const declared: OperatorSecret[] = [
  {
    name: 'A',
    from: 'file',
    source: file,
    hosts: ['a.test'],
    as: { header: 'X' },
    tenants: ['acme'],
  },
]
const reader: SecretReader = {
  tenant: 'acme',
  sources: {
    variable: (name) =>
      ({ TOKEN: 'value-of-a-variable', SHORT: 'abc', LINES: 'one-line\ntwo-lines' })[name],
    commandEnv: { PATH: path },
    declared: () => declared,
  },
}
const signal = new AbortController().signal

async function valueOf(from: SecretBinding['from'], source?: SecretBinding['source']) {
  const place = source === undefined ? {} : { source }
  const binding = { name: 'A', from, hosts: ['a.test'], as: { header: 'X' }, ...place }
  const values = await secretValues({ secrets: [binding] }, reader, { which: 'all', signal })
  return values[0]?.value
}

test('secretValues() reads variables, files, commands and declarations', async () => {
  expect(await valueOf('env', 'TOKEN')).toBe('value-of-a-variable')
  expect(await valueOf('file', file)).toBe('value-of-a-file')
  expect(await valueOf('command', ['printf', '%s\\n', '$HOME is no shell'])).toBe(
    '$HOME is no shell',
  )
  expect(await valueOf('operator')).toBe('value-of-a-file')
})

test('secretValues() leaves commands for when the run begins', async () => {
  const secrets: SecretBinding[] = [
    { name: 'A', from: 'command', source: ['false'], hosts: ['a.test'], as: { header: 'X' } },
  ]
  const asked = { which: 'without_commands', signal } as const
  expect(await secretValues({ secrets }, reader, asked)).toEqual([])
})

test('secretValues() gives a command nothing of the environment but what it needs', async () => {
  expect(await valueOf('command', ['env'])).toBe(`PATH=${path}`)
})

test.each([
  ['env', 'NOT_SET', 'the variable NOT_SET is not set'],
  ['env', 'SHORT', 'it has 3 bytes, expected 8 to 8192'],
  ['env', 'LINES', 'it holds a line break or a character that no header carries'],
  ['file', '/nowhere/at/all', 'cannot be read (ENOENT)'],
  ['file', directory, 'is no regular file'],
  ['command', ['false'], 'its command "false" ended with exit code 1'],
  ['command', ['no-such-program-here'], 'cannot be started (ENOENT)'],
  ['command', ['head', '-c', '100000', '/dev/zero'], 'printed too much'],
] as const)('secretValues() says why there is none: %s %s', async (from, source, why) => {
  const place = typeof source === 'string' ? source : [...source]
  const error: unknown = await valueOf(from, place).catch((thrown: unknown) => thrown)
  expect(String(error)).toContain(`Cannot use secret "A": `)
  expect(String(error)).toContain(why)
})

test('secretValues() refuses a file that others may read, and a link', async () => {
  const open = join(directory, 'open')
  writeFileSync(open, 'value-of-a-file')
  chmodSync(open, 0o640)
  await expect(valueOf('file', open)).rejects.toThrow('is open to others (mode 0640)')
  symlinkSync(file, join(directory, 'link'))
  await expect(valueOf('file', join(directory, 'link'))).rejects.toThrow('cannot be read (ELOOP)')
})

test('secretValues() tells nothing of what a command printed', async () => {
  const words = ['sh', '-c', 'echo half-of-a-secret; echo other-half >&2; exit 3']
  const error: unknown = await valueOf('command', words).catch((thrown: unknown) => thrown)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/half-of|other-half/)
})

test('secretValues() refuses a declaration that binds otherwise by now', async () => {
  const secrets: SecretBinding[] = [
    { name: 'A', from: 'operator', hosts: ['b.test'], as: { header: 'X' } },
  ]
  await expect(secretValues({ secrets }, reader, { which: 'all', signal })).rejects.toThrow(
    'the operator binds it otherwise',
  )
})
