/**
 * A Sandbox over a temporary directory of this machine: real files, real processes, the interface's
 * own rules (no link is followed, whole files only, limits that hold). It isolates nothing, so it
 * runs only what tests themselves write.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { ExecRequest, Sandbox } from '../../src/sandbox/index.ts'
import { type ExecResult, type FileStat, OpenExecError } from '../../src/schema/index.ts'

export interface LocalSandbox extends Sandbox, AsyncDisposable {
  /** Where /workspace lies on this machine. */
  root: string
}

/** A sandbox whose workspace holds `files`. Remove it with `close()`. */
export async function openLocalSandbox(files: Record<string, string>): Promise<LocalSandbox> {
  const home = await mkdtemp(join(tmpdir(), 'openexec-local-'))
  const root = join(home, 'workspace')
  await mkdir(root)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  const close = () => rm(home, { recursive: true, force: true })
  return {
    id: 'local',
    root,
    receipt: {
      version: 1,
      confinement: '0'.repeat(64),
      image: { name: 'local', id: 'local' },
      engine: { version: '0', api: '0', runtime: 'none' },
      items: [],
      complete: false,
      degraded: true,
    },
    exec: (request) => exec(root, request),
    ...fileOperations(root),
    openEgress: async () => {},
    close,
    [Symbol.asyncDispose]: close,
  }
}

type FileOperations = Pick<Sandbox, 'readFile' | 'writeFile' | 'removeFile' | 'list' | 'stat'>

function fileOperations(root: string): FileOperations {
  return {
    async readFile(path, { maxBytes }) {
      const real = await inside(root, path)
      const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW).catch(refuse(path))
      try {
        const stat = await file.stat()
        if (!stat.isFile() || stat.size > maxBytes) throw badRequest(path)
        return new Uint8Array(await file.readFile())
      } finally {
        await file.close()
      }
    },
    async writeFile(path, content, { mode }) {
      const real = await inside(root, path)
      await mkdir(dirname(real), { recursive: true }).catch(refuse(path))
      const there = await lstat(real).catch(() => undefined)
      if (there !== undefined && !there.isFile()) throw badRequest(path)
      const fresh = `${real}.openexec-new`
      await writeFile(fresh, content, { flag: 'wx' })
      const file = await open(fresh)
      await file.chmod(mode)
      await file.close()
      await rename(fresh, real)
    },
    async removeFile(path) {
      await unlink(await inside(root, path)).catch(refuse(path))
    },
    async list(path) {
      const real = await inside(root, path)
      const names = await readdir(real, { encoding: 'buffer' }).catch(refuse(path))
      return await Promise.all(
        names.map(async (name) => ({
          name: new Uint8Array(name),
          ...(await statOf(Buffer.concat([Buffer.from(`${real}/`), name]))),
        })),
      )
    },
    async stat(path) {
      const real = await inside(root, path).catch((error: unknown) => {
        if (error instanceof OpenExecError && error.code === 'not_found') return undefined
        throw error
      })
      return real === undefined ? undefined : await statOf(real).catch(() => undefined)
    },
  }
}

/** The place of a path under /workspace, with no link among its directories. */
async function inside(root: string, path: string): Promise<string> {
  const names = relative('/workspace', path).split('/')
  if (!path.startsWith('/workspace') || names.includes('..')) throw badRequest(path)
  let at = root
  for (const name of names.slice(0, -1)) {
    at = join(at, name)
    const stat = await lstat(at).catch(() => undefined)
    if (stat?.isSymbolicLink() === true) throw badRequest(path)
    if (stat !== undefined && !stat.isDirectory())
      throw new OpenExecError('not_found', `Cannot use "${path}" in the sandbox: ENOTDIR`)
  }
  return join(root, ...names)
}

async function statOf(path: string | Buffer): Promise<FileStat> {
  const stat = await lstat(path)
  const type = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'symlink'
        : 'other'
  return { type, size: stat.size, mode: stat.mode & 0o7777 }
}

function refuse(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const code = error.code === 'ENOENT' ? 'not_found' : 'bad_request'
    throw new OpenExecError(code, `Cannot use "${path}" in the sandbox: ${error.code}`, {
      cause: error,
    })
  }
}

function badRequest(path: string): OpenExecError {
  return new OpenExecError('bad_request', `Cannot use "${path}" in the sandbox: it is refused`)
}

async function exec(root: string, request: ExecRequest): Promise<ExecResult> {
  const { argv, cwd, env, timeoutMs, stdin, signal, onOutput } = request
  if (signal.aborted) throw new OpenExecError('cancelled', 'Cancelled a command')
  const started = performance.now()
  const bytes = { stdout: 0, stderr: 0 }
  const [program = '', ...args] = argv
  const child = spawn(program, args, {
    cwd: await inside(root, cwd),
    env: { PATH: process.env['PATH'] ?? '', HOME: root, ...env },
    detached: true,
  })
  let timedOut = false
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const timer = setTimeout(() => {
    timedOut = true
    kill()
  }, timeoutMs)
  signal.addEventListener('abort', kill, { once: true })
  const pump = async (stream: 'stdout' | 'stderr') => {
    for await (const chunk of child[stream]) {
      bytes[stream] += chunk.length
      await onOutput(stream, new Uint8Array(chunk))
    }
  }
  try {
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, name) => resolve([code, name]))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
    const [[exitCode, name]] = await Promise.all([ended, pump('stdout'), pump('stderr')])
    if (signal.aborted) throw new OpenExecError('cancelled', `Cancelled "${program}"`)
    return {
      exitCode,
      signal: name,
      timedOut,
      durationMs: performance.now() - started,
      stdoutBytes: bytes.stdout,
      stderrBytes: bytes.stderr,
      outOfMemory: false,
    }
  } catch (error) {
    if (error instanceof OpenExecError) throw error
    throw new OpenExecError('command_not_startable', `Cannot start "${program}"`, { cause: error })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', kill)
    kill()
  }
}
