/** A repository for one repair task, in a directory that goes with it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RepairTask } from './repair-task.ts'

export interface RepairRepository {
  path: string
  [Symbol.dispose](): void
}

export function repairRepository(task: RepairTask): RepairRepository {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-repair-')))
  writeTask(path, task, task.code)
  const manifest = { name: task.id, type: 'module', scripts: { test: 'node --test' } }
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest))
  const git = (...args: string[]) => execFileSync('git', args, { cwd: path, stdio: 'ignore' })
  git('init', '--quiet', '--initial-branch=main')
  git('add', '--all')
  const identity = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost']
  git(...identity, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=Add it')
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Module and test of a task below a directory. */
export function writeTask(path: string, { id, test }: RepairTask, code: string): void {
  for (const folder of ['src', 'test']) mkdirSync(join(path, folder), { recursive: true })
  writeFileSync(join(path, 'src', `${id}.js`), code)
  writeFileSync(join(path, 'test', `${id}.test.js`), testFile(id, test))
}

function testFile(id: string, body: string): string {
  return `import { deepStrictEqual as is } from 'node:assert/strict'
import { test } from 'node:test'
import * as m from '../src/${id}.js'

test('${id}', async () => {
${body.replaceAll(/^/gm, '  ')}
})
`
}

/** What a model that knows the answer says: it looks, edits, runs the tests and finishes. */
export function solution({ id, edit }: RepairTask): string {
  const call = (name: string, args: object) => ({ reply: { tool_calls: [{ name, args }] } })
  const path = `src/${id}.js`
  const turns = [
    call('read_file', { path }),
    call('edit_file', { path, ...edit }),
    call('run_action', { name: 'run_tests' }),
    call('finish', { status: 'done', summary: `Fixed ${path}` }),
  ]
  return JSON.stringify({ provider: 'scripted', model: 'known-patch', turns })
}
