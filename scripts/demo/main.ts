/**
 * The main job on a sample repository that ships with the project: an agent stage proposes, policy
 * and tests decide, and everything that happened can be looked at afterwards.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { RunResult } from '../../src/schema/index.ts'
import { projectRoot as PROJECT_ROOT } from '../setup/project-root.ts'

const SAMPLE = join(PROJECT_ROOT, 'scripts/demo/sample')
const MODEL = join(PROJECT_ROOT, 'scripts/demo/model.yaml')
const REPOSITORY = join(PROJECT_ROOT, '.demo/pages')
const OPENEXEC = join(PROJECT_ROOT, 'bin/openexec.js')
const TASK = 'Full pages are followed by an empty one: fix pageCount in src/pages.js'

process.exitCode = main()

function main(): number {
  makeRepository()
  say(
    `A small repository with a bug is at ${shown(REPOSITORY)}. Its policy forbids to touch .github/.`,
    'A run fixes the bug: an agent stage proposes changes through typed tools, linters and tests decide.',
    'The model is SCRIPTED (scripts/demo/model.yaml): it says the same thing every time, so that you can',
    'see a refusal by policy, a test that fails, and the fix. Everything else is real: the containers,',
    'the git worktree, the policy, the tests, the timeline.',
  )
  const run = openexec(['run', 'backend_bugfix', '--task', TASK, '--model-script', MODEL])
  const id = newestRun()
  if (run !== 0 || id === undefined) return run === 0 ? 1 : run
  heading('What the run changed', `openexec diff ${id}`)
  openexec(['diff', id])
  heading('What policy was asked, and what it refused', `openexec events ${id}`)
  openexec(['events', id])
  heading(
    'What was really enforced, measured before any code of the repository ran',
    `openexec show ${id} --receipt`,
  )
  openexec(['show', id, '--receipt'])
  heading('The changes come home only when asked to', `openexec apply ${id}`)
  const applied = openexec(['apply', id])
  const left = leftovers()
  say(
    applied === 0 ? 'The bug is fixed in the checkout.' : 'The changes could not be applied.',
    left === '' ? 'No container and no worktree of the run is left.' : `LEFT BEHIND: ${left}`,
    '',
    'Look further:',
    `  cd ${shown(REPOSITORY)}`,
    ...[
      'ps',
      `show ${id}`,
      `logs ${id}`,
      `events ${id} --json`,
      `artifacts ${id}`,
      'policy explain openexec.policy.yaml',
      'doctor',
    ].map((words) => `  ${relative(REPOSITORY, OPENEXEC)} ${words}`),
  )
  return applied === 0 && left === '' ? 0 : 1
}

/** Fresh every time, so that the demo shows the same whatever was tried in it before. */
function makeRepository(): void {
  rmSync(REPOSITORY, { recursive: true, force: true })
  mkdirSync(REPOSITORY, { recursive: true })
  cpSync(SAMPLE, REPOSITORY, { recursive: true })
  git('init', '--quiet', '--initial-branch=main')
  git('add', '--all')
  const identity = ['-c', 'user.name=OpenExec demo', '-c', 'user.email=demo@localhost']
  git(...identity, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=Add pages')
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' })
}

function openexec(args: readonly string[]): number {
  const { status } = spawnSync(process.execPath, [OPENEXEC, ...args], {
    cwd: REPOSITORY,
    stdio: 'inherit',
  })
  return status ?? 1
}

function newestRun(): string | undefined {
  const { stdout } = spawnSync(process.execPath, [OPENEXEC, 'ps', '--json', '--limit', '1'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
  const Listed = z.object({ runs: z.array(z.object({ id: RunResult.shape.run })) })
  return Listed.parse(JSON.parse(stdout)).runs[0]?.id
}

/** Worktrees beside the checkout itself; the run's container is told by `show`. */
function leftovers(): string {
  return git('worktree', 'list', '--porcelain')
    .split('\n')
    .filter((line) => line.startsWith('worktree ') && line !== `worktree ${REPOSITORY}`)
    .join(', ')
}

function heading(text: string, command: string): void {
  console.log(`\n── ${text}  (${command})\n`)
}

function say(...lines: string[]): void {
  console.log(`\n${lines.join('\n')}\n`)
}

function shown(path: string): string {
  return relative(process.cwd(), path) || '.'
}
