/** Pieces that several fixtures are made of. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gitIn, gitInside } from '../integration/workspace-fixture.ts'
import type { Planted } from './fixture.ts'

/** A repository that looks harmless, ready to be made hostile. */
export function plantRepository(dir: string): string {
  if (fs.existsSync(dir)) fs.chownSync(dir, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  gitIn(path.dirname(dir), 'init', '--quiet', '--initial-branch=main', dir)
  gitIn(dir, 'commit', '--quiet', '--allow-empty', '--message', 'x')
  return path.join(dir, '.git')
}

/** Git as people run it: in the directory, obeying whatever lies there. */
export function naiveGit(cwd: string, ...args: string[]): number | null {
  fs.chownSync(cwd, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  const identity = ['-c', 'user.name=x', '-c', 'user.email=x@example.org']
  const { status } = spawnSync('git', [...identity, ...args], {
    cwd,
    timeout: 10_000,
    stdio: 'ignore',
  })
  return status
}

/** Whether git inside the private directory, as the host must not run it, leaves the mark. */
export function ranInside({ workspace, m }: Planted, ...args: string[]): boolean {
  gitInside(workspace, ...args)
  return m.ran()
}

export function addConfig(file: string, ...lines: string[]): void {
  fs.appendFileSync(file, `${lines.join('\n')}\n`)
}

export function script(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
}

/** Whether a shell command leaves the mark. */
export function ranByShell({ m }: Planted, cwd: string, text: string): boolean {
  spawnSync('bash', ['--norc', '-c', text], { cwd, timeout: 10_000, stdio: 'ignore' })
  return m.ran()
}
