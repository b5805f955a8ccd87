import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { groupText, passwdText, writeSlotFiles } from './slot-files.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slot-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('passwdText() names the uid of the slot once', () => {
  expect(passwdText({ uid: 200_001, gid: 200_002 })).toContain(
    'agent:x:200001:200002:agent:/home/agent:/bin/sh\n',
  )
  expect(passwdText({ uid: 65_534, gid: 65_534 }).match(/65534:65534/g)).toHaveLength(1)
})

test('groupText() names the gid of the slot', () => {
  expect(groupText({ uid: 1, gid: 200_002 })).toContain('agent:x:200002:\n')
})

test('writeSlotFiles() replaces files of an earlier sandbox and leaves them unwritable', () => {
  writeSlotFiles(join(directory, 'new'), { uid: 1, gid: 1 })
  const files = writeSlotFiles(join(directory, 'new'), { uid: 7, gid: 8 })
  expect(readFileSync(files.passwd, 'utf8')).toContain('agent:x:7:8:')
  expect(statSync(files.group).mode & 0o777).toBe(0o444)
})
