import { expect, test } from 'vitest'
import { checkChangedPaths } from './changed-paths.ts'
import { defaultPolicy, readPolicy } from './read-policy.ts'

const STAGE = { mode: 'workspace_write', stage: 'implement', subject: 'agent' } as const

const POLICY = readPolicy({
  file: 'p.yaml',
  text: `version: 1
paths: { deny_read: ["sécrets/**"], deny_write: [.github/**] }
rules:
  - { id: ask-lock, capability: repo_write, decision: require_approval, when: { path: ["**/package-lock.json"] } }
  - { id: no-vendor, capability: repo_write, decision: block, reason: "Vendored", when: { path: [vendor], stage: [implement] } }
`,
})

test('checkChangedPaths() finds nothing where all is permitted', () => {
  expect(checkChangedPaths(POLICY, ['src/a.ts', Buffer.from('b\xff', 'latin1')], STAGE)).toEqual([])
})

test('checkChangedPaths() names each path with the rules it breaks', () => {
  const changed = ['src/a.ts', '.github/workflows/ci.yml', 'vendor/x.c', 'web/package-lock.json']
  expect(checkChangedPaths(POLICY, changed, STAGE)).toEqual([
    {
      path: '.github/workflows/ci.yml',
      decision: 'block',
      rules: ['builtin:deny-write'],
      reason: 'The path is in paths.deny_write',
    },
    { path: 'vendor/x.c', decision: 'block', rules: ['no-vendor'], reason: 'Vendored' },
    {
      path: 'web/package-lock.json',
      decision: 'require_approval',
      rules: ['ask-lock'],
      reason: 'Rule "ask-lock" says require_approval for repo_write',
    },
  ])
})

test.each([
  ['a newline', Buffer.from('.github/a\nb'), '.github/a\\x0ab'],
  ['bytes that are not UTF-8', Buffer.from('.github/\xff\xfe', 'latin1'), '.github/\\xff\\xfe'],
  ['another case', Buffer.from('.GitHub/x'), '.GitHub/x'],
  ['a decomposed letter', Buffer.from('se\u0301crets/x'), 'se\u0301crets/x'],
  [
    'a broken byte after a letter',
    Buffer.concat([Buffer.from('sécrets/'), Buffer.from([0x80])]),
    'sécrets/\\x80',
  ],
  ['a hidden git directory', Buffer.from('src/.GIT/config'), 'src/.GIT/config'],
  ['a way out', Buffer.from('../x'), '../x'],
])('checkChangedPaths() is not fooled by %s', (_, name, shown) => {
  const found = checkChangedPaths(POLICY, [name], STAGE)
  expect(found.map(({ path, decision }) => [path, decision])).toEqual([[shown, 'block']])
})

test('checkChangedPaths() takes any change in read_only for a violation', () => {
  const found = checkChangedPaths(defaultPolicy(), ['a'], { ...STAGE, mode: 'read_only' })
  expect(found.map(({ rules }) => rules)).toEqual([['builtin:no-write']])
})

test('checkChangedPaths() checks fifty thousand paths in seconds', () => {
  const changed = Array.from({ length: 50_000 }, (_, i) => `src/module-${i % 100}/file-${i}.ts`)
  const before = performance.now()
  expect(checkChangedPaths(POLICY, changed, STAGE)).toEqual([])
  expect(performance.now() - before).toBeLessThan(25_000)
})
