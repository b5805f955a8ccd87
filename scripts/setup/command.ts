import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const OUTPUT_BYTES_MAX = 64 * 1024
/** Where daemons live; not on every user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

export function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS]
  return folders.some((folder) => isProgram(join(folder, program)))
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Runs argv and gives its standard output; the end of all it wrote is in the error when it fails. */
export function runQuietly(argv: readonly string[]): Promise<string> {
  const [program = '', ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', PATH: systemPath() },
    })
    const stdout = tail(child.stdout)
    const stderr = tail(child.stderr)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(stdout())
      reject(
        new Error(
          `"${argv.join(' ')}" ended with ${signal ?? `exit code ${code}`}\n${stdout()}${stderr()}`,
        ),
      )
    })
  })
}

export function systemPath(): string {
  return [process.env['PATH'], ...SYSTEM_FOLDERS].join(delimiter)
}

function tail(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-OUTPUT_BYTES_MAX)
  })
  return () => text
}
