import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parsePlainConfig, readPlainConfig } from './config-file.ts'

const PLAIN = `[core]
\trepositoryformatversion = 1
\tfilemode = true
\tbare
[remote "Origin/x"]
\turl = https://example.org/a b.git
\tfetch = +refs/heads/*:refs/remotes/origin/*

[Extensions]
objectFormat=sha256
[core]
filemode = false
`

test('parsePlainConfig() reads what git reads', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'openexec-config-'))
  onTestFinished(() => fs.rmSync(directory, { recursive: true }))
  const file = path.join(directory, 'config')
  fs.writeFileSync(file, PLAIN)
  const listed = execFileSync('git', ['config', '--file', file, '--list', '--null'])
  const expected = new Map(
    String(listed)
      .split('\0')
      .filter((record) => record !== '')
      .map((record) => {
        const [key = '', ...value] = record.split('\n')
        return [key.toLowerCase(), value.join('\n')] as const
      }),
  )
  expect(readPlainConfig(file)).toEqual(expected)
})

test.each([
  '[a]\nb = "quoted"\n',
  '[a]\nb = c \\\n d\n',
  '[a]\nb = c # comment\n',
  '; comment\n[a]\n',
  '[a]\n# comment\n',
  '[a] b = c\n',
  '[a "x\\"y"]\nb = c\n',
  '[a.b]\nc = d\n',
  'b = c\n',
  '\ufeff[a]\nb = c\n',
  '[a]\nb = c\rd\n',
])('parsePlainConfig() leaves %j to git', (text) => {
  expect(parsePlainConfig(text)).toBeUndefined()
})
