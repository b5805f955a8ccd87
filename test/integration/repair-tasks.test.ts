import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeTask } from '../../bench/repair/repository.ts'
import type { RepairTask } from '../../bench/repair/repair-task.ts'
import { TASKS } from '../../bench/repair/tasks.ts'

/** Ids whose tests pass, with the code that `codeOf` gives each. */
function passing(codeOf: (task: RepairTask) => string): string[] {
  const path = mkdtempSync(join(tmpdir(), 'openexec-repair-test-'))
  try {
    for (const task of TASKS) writeTask(path, task, codeOf(task))
    writeFileSync(join(path, 'package.json'), '{"type":"module"}')
    const argv = ['--test', '--test-isolation=none', '--test-reporter=tap', 'test/*.test.js']
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const { stdout } = spawnSync(process.execPath, argv, { cwd: path, encoding: 'utf8', env })
    return [...stdout.matchAll(/^ok \d+ - (\S+)/gm)].map(([, id = '']) => id).sort()
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

test('repair tasks fail as they are, and pass with their edit', () => {
  expect(TASKS.length).toBeGreaterThanOrEqual(25)
  const ids = TASKS.map(({ id }) => id).sort()
  expect(new Set(ids).size).toBe(ids.length)
  for (const { id, code, edit } of TASKS) expect(code.split(edit.old_text), id).toHaveLength(2)
  expect(passing(({ code }) => code)).toEqual([])
  expect(passing(({ code, edit }) => code.replace(edit.old_text, () => edit.new_text))).toEqual(ids)
})
