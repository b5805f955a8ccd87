import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './setup/project-root.ts'

export interface RunProgramOptions {
  /** Added to the environment of this process. */
  env: Readonly<Record<string, string>>
}

/**
 * Runs a Node program of the project, or of one of its packages, to its exit code. It shares the
 * terminal; a signal to this process is for it.
 */
export function runProgram(argv: readonly string[], { env }: RunProgramOptions): Promise<number> {
  const child = spawn(process.execPath, argv, {
    cwd: projectRoot,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  const forward = (signal: NodeJS.Signals) => void child.kill(signal)
  const ignore = () => {}
  // A terminal delivers Ctrl-C to the child as well.
  process
    .on('SIGTERM', forward)
    .on('SIGHUP', forward)
    .on('SIGINT', process.stdin.isTTY ? ignore : forward)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) =>
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)),
    )
  })
}

/** The program of a package, without a shell and without a look at PATH. */
export function packageProgram(path: string): string {
  return join(projectRoot, 'node_modules', path)
}
