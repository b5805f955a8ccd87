import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockSandbox } from '../../src/sandbox/kept-record.ts'
import { SandboxId } from '../../src/schema/index.ts'

const ID = SandboxId.parse('sbx_0123456789abcdef')
const STATE = join(import.meta.dirname, '../../src/state/process-lock.ts')

test('lockSandbox() does not outlive a process that was killed', async ({ onTestFinished }) => {
  const root = mkdtempSync(join(tmpdir(), 'openexec-kept-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, ID))
  // Nobody refers to the lock, and memory may be collected at any time.
  const text = `import { tryProcessLock } from ${JSON.stringify(STATE)}
    console.log(typeof tryProcessLock(${JSON.stringify(join(root, ID, 'lock'))}))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [told] = await once(child.stdout, 'data')
  expect(String(told)).toBe('function\n')
  await expect(lockSandbox(root, ID)).rejects.toMatchObject({ code: 'conflict' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  const unlock = await lockSandbox(root, ID)
  unlock()
})
