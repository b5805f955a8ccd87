import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileIgnoreRules } from '../../src/workspace/ignore-rules.ts'
import { bench, write } from './workspace-fixture.ts'

const part = fc.constantFrom(
  'a',
  'b',
  'ab',
  'a.b',
  '*',
  '**',
  '?',
  '[ab]',
  '[!a]',
  '*.b',
  'a*',
  '*a*b',
  '\\a',
  '[[:alpha:]]',
  'a\\',
  '[a',
)
const pattern = fc
  .tuple(
    fc.constantFrom('', '', '', '!'),
    fc.constantFrom('', '', '/'),
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
    fc.constantFrom('', '', '/', ' ', '\\ '),
  )
  .map((pieces) => pieces.join(''))
const component = fc.constantFrom('a', 'b', 'ab', 'aab', 'a.b', 'x', 'b ')
const file = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))

test('compileIgnoreRules() agrees with `git check-ignore` on any patterns', () => {
  const b = bench({ keep: 'k' })
  const lines = fc.array(pattern, { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(
      lines,
      lines,
      fc.uniqueArray(file, { minLength: 5, maxLength: 30 }),
      (root, below, files) => {
        write(b.repo, '.gitignore', `${root.join('\n')}\n`)
        write(b.repo, 'a/.gitignore', `${below.join('\n')}\n`)
        const rules = compileIgnoreRules(
          new Map([
            ['', root.join('\n')],
            ['a', below.join('\n')],
          ]),
        )
        const asked = files.filter((name) => name !== 'a')
        const answer = spawnSync('git', ['check-ignore', '--no-index', '--stdin', '-z'], {
          cwd: b.repo,
          input: asked.map((name) => `${name}\0`).join(''),
          encoding: 'utf8',
        })
        const ignored = new Set(answer.stdout.split('\0'))
        for (const name of asked)
          expect([name, rules.ignores(name, 'file')]).toEqual([name, ignored.has(name)])
      },
    ),
    { numRuns: 150 },
  )
}, 60_000)
