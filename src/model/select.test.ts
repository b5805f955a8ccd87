import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { selectModel } from './select.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'openexec-model-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('selectModel() says what to do when no model is configured', async () => {
  await expect(
    selectModel({ other: undefined, scriptFile: undefined, callsBefore: 0 }),
  ).rejects.toMatchObject({
    code: 'no_model_configured',
    hint: expect.stringContaining('--model-script'),
  })
})

test('selectModel() plays the script it is given', async () => {
  const scriptFile = join(folder, 'script.yaml')
  writeFileSync(scriptFile, 'provider: scripted\nmodel: demo\nturns: []\n')
  const model = await selectModel({ other: undefined, scriptFile, callsBefore: 0 })
  expect([model.provider, model.model]).toEqual(['scripted', 'demo'])
})

test('selectModel() refuses a script that is missing, a folder or too large', async () => {
  const large = join(folder, 'large.yaml')
  writeFileSync(large, `provider: scripted\nturns: []\n${'#'.repeat(200_000)}`)
  const select = (scriptFile: string) =>
    selectModel({ other: undefined, scriptFile, callsBefore: 0 })
  await expect(select(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'config_invalid' })
  await expect(select(folder)).rejects.toMatchObject({ code: 'config_invalid' })
  await expect(select(large)).rejects.toThrow(/larger than/)
})
