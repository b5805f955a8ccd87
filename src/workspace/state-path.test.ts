import { expect, test } from 'vitest'
import { isStatePath, liesIn } from './state-path.ts'

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

test.each([
  '.openexec',
  '.openexec/openexec.db',
  '.OpenExec/x',
  '.openexec-apply',
  '.openexec.',
  '.openexec ',
  '.openexec::$INDEX_ALLOCATION',
  '.open\u200cexec/git',
  '\ufeff.openexec',
  '.openexec\\x',
])('isStatePath() knows %j', (name) => {
  expect(isStatePath(bytes(name))).toBe(true)
})

test.each(['openexec', '.openexecute', 'a/.openexec', 'openexec.yaml', '.open', '\u00fc', '\xff'])(
  'isStatePath() leaves %j alone',
  (name) => {
    expect(isStatePath(bytes(name))).toBe(false)
  },
)

test('liesIn() covers the state directory, what is in it and what it is in', () => {
  const at = (name: string) => liesIn('/repo/var/state', '/repo', bytes(name))
  expect(['var/state', 'var/state/x', 'VAR/State/x', 'var'].map(at)).toEqual([
    true,
    true,
    true,
    true,
  ])
  expect(['var/stated', 'va', 'x', 'var2/state'].map(at)).toEqual([false, false, false, false])
})

test('liesIn() covers nothing where the state directory is elsewhere', () => {
  expect(liesIn('/elsewhere', '/repo', 'elsewhere')).toBe(false)
  expect(liesIn('/repo', '/repo', 'x')).toBe(false)
  expect(liesIn('/', '/repo', 'repo')).toBe(false)
})
