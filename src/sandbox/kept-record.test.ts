import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { SandboxId } from '../schema/index.ts'
import {
  findRecord,
  type KeptRecord,
  lockSandbox,
  readRecords,
  writeRecord,
} from './kept-record.ts'

const ID = SandboxId.parse('sbx_0123456789abcdef')
let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'openexec-kept-'))
  return () => rmSync(root, { recursive: true, force: true })
})

function record(id: SandboxId): KeptRecord {
  return {
    version: 1,
    id,
    container: 'c0ffee',
    key: 'ab'.repeat(32),
    image: 'base',
    createdAt: 1,
    expiresAt: 2,
    env: {},
    receipt: {
      version: 1,
      confinement: '0'.repeat(64),
      image: { name: 'base', id: 'sha256:0' },
      engine: { version: '20.10', api: '1.41', runtime: 'runc' },
      items: [],
      complete: true,
      degraded: false,
    },
  }
}

test('lockSandbox() lets one in at a time', async () => {
  mkdirSync(join(root, ID))
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => lockSandbox(root, ID)))
  const taken = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  expect(taken).toHaveLength(1)
  await expect(lockSandbox(root, ID)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`process ${process.pid} is using it`),
  })
  taken[0]?.()
  const unlock = await lockSandbox(root, ID)
  unlock()
})

test('findRecord() wants a unique beginning, and skips what is no whole record', async () => {
  const other = SandboxId.parse('sbx_0123999999abcdef')
  for (const id of [ID, other]) {
    mkdirSync(join(root, id))
    await writeRecord(root, record(id))
  }
  mkdirSync(join(root, 'sbx_9999999999abcdef'))
  mkdirSync(join(root, 'other'))
  expect(await readRecords(root)).toHaveLength(2)
  expect((await findRecord(root, '01234')).id).toBe(ID)
  await expect(findRecord(root, 'sbx_0123')).rejects.toMatchObject({ code: 'bad_request' })
  await expect(findRecord(root, '9')).rejects.toMatchObject({ code: 'not_found' })
})
