/**
 * The supervisor as an ordinary process: compiled once for a test file, spawned with plain pipes,
 * and attached to through a stand-in for the engine, which passes bytes on while somebody is
 * attached, drops output while nobody is, and can cut an attach after any byte.
 */
import {
  type ChildProcessWithoutNullStreams,
  execFileSync,
  spawn,
  spawnSync,
} from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { afterAll, test, type TestFunction } from 'vitest'
import { openPipe, type Pipe, type PipeExec } from '../../src/sandbox/pipe.ts'

const SOURCES = join(import.meta.dirname, '../../sandbox-images/supervisor')
const MAKE = 'make'
const isRequired = process.env['OPENEXEC_REQUIRE_DOCKER'] === '1'
const missing = ['cc', MAKE].find((program) => spawnSync(program, ['--version']).error)

export type Build = 'supervisor' | 'supervisor-sanitized' | 'test' | 'fuzz'

/** A test that runs where a C compiler is; it is skipped elsewhere, or fails where that is required. */
export function supervisorTest(title: string, body: TestFunction): void {
  if (missing === undefined || isRequired) test(title, body)
  else test.skip(`${title} (skipped: no ${missing})`, body)
}

let folder: string | undefined
afterAll(() => folder && rmSync(folder, { recursive: true, force: true }))

/** Compiles once a file; throws what the compiler says. */
export function build(name: Build): string {
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'openexec-supervisor-'))
    // Some tests run the program as another user.
    chmodSync(folder, 0o755)
  }
  const path = join(folder, name)
  execFileSync(MAKE, ['-s', '-C', SOURCES, `OUT=${folder}`, path], { stdio: 'pipe' })
  return path
}

export interface Host {
  readonly pid: number
  readonly child: ChildProcessWithoutNullStreams
  /** Everything written to standard error. */
  stderr(): string
  /** One attach; the one before is cut off. */
  attach(): Duplex
  /** Cuts the attach off after that many more bytes of one direction, mid-frame or not. */
  cutAfter(direction: 'in' | 'out', bytes: number): Promise<void>
  open(over?: { orphanTimeoutMs?: number }): Promise<Pipe>
  exited: Promise<number | null>
  [Symbol.asyncDispose](): Promise<void>
}

/** Spawns a supervisor whose only root is `root`. */
export function startHost(program: string, root: string, over: { uid?: number } = {}): Host {
  const child = spawn(program, ['--root', root], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {},
    ...(over.uid === undefined ? {} : { uid: over.uid, gid: over.uid }),
  })
  const key = randomBytes(32).toString('hex')
  const exited = new Promise<number | null>((resolve) =>
    child.once('exit', (code) => resolve(code)),
  )
  const wire = new Wire(child)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => {})
  const open = async (given: { orphanTimeoutMs?: number } = {}) => {
    const duplex = wire.attach()
    return await openPipe(
      { readable: duplex, writable: duplex },
      {
        key,
        marker: randomBytes(32),
        orphanTimeoutMs: given.orphanTimeoutMs ?? 60_000,
        openTimeoutMs: 10_000,
        signal: new AbortController().signal,
        now: () => performance.now(),
      },
    )
  }
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  return {
    pid: child.pid ?? 0,
    child,
    exited,
    open,
    stderr: () => stderr,
    attach: () => wire.attach(),
    cutAfter: (direction, bytes) => wire.cutAfter(direction, bytes),
    [Symbol.asyncDispose]: stop,
  }
}

/** The engine's part: one reader of the supervisor's output at a time, or none. */
class Wire {
  #child: ChildProcessWithoutNullStreams
  #attached: Duplex | undefined
  #cut: { direction: 'in' | 'out'; left: number; done: () => void } | undefined

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => {
      const passed = this.#limit('out', chunk)
      if (this.#attached?.push(passed) === false) child.stdout.pause()
      this.#finishCut()
    })
    child.stdout.on('end', () => this.#attached?.push(null))
  }

  attach(): Duplex {
    this.#attached?.destroy()
    this.#child.stdout.resume()
    const duplex: Duplex = new Duplex({
      read: () => void this.#child.stdout.resume(),
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#attached !== duplex) return done()
        const passed = this.#limit('in', chunk)
        this.#child.stdin.write(passed, () => done())
        this.#finishCut()
      },
    })
    duplex.on('error', () => {})
    duplex.on('close', () => {
      if (this.#attached === duplex) this.#detach()
    })
    this.#attached = duplex
    return duplex
  }

  cutAfter(direction: 'in' | 'out', bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#cut = { direction, left: bytes, done: resolve }
      this.#finishCut()
    })
  }

  #limit(direction: 'in' | 'out', chunk: Buffer): Buffer {
    if (this.#cut?.direction !== direction) return chunk
    const passed = chunk.subarray(0, this.#cut.left)
    this.#cut.left -= passed.length
    return passed
  }

  #finishCut(): void {
    if (this.#cut?.left !== 0) return
    const { done } = this.#cut
    this.#cut = undefined
    const cut = this.#attached
    this.#detach()
    cut?.destroy()
    done()
  }

  #detach(): void {
    this.#attached = undefined
    this.#child.stdout.resume()
  }
}

/** A request with nothing special about it. */
export function command(...argv: string[]): PipeExec {
  return {
    argv,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    cwd: '/',
    stdin: 'none',
    terminal: undefined,
    timeoutMs: 20_000,
    outputBytesMax: 0,
    keepDescendants: false,
  }
}

/** Runs to the end and keeps what it wrote. */
export async function capture(pipe: Pipe, request: PipeExec) {
  const written = { stdout: '', stderr: '' }
  const result = await pipe.exec(request, {
    signal: new AbortController().signal,
    onOutput: (stream, chunk) => void (written[stream] += Buffer.from(chunk).toString('latin1')),
  })
  return { ...result, ...written }
}

export interface ProcessRow {
  pid: number
  parent: number
  state: string
  line: string
}

/** Every process whose command line holds `text`; with '' every one. */
export function processes(text: string): ProcessRow[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return line.includes(text) ? [{ pid: Number(name), parent: Number(parent), state, line }] : []
    } catch {
      return []
    }
  })
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

/** Polls until the condition holds; throws with its name after 5 s. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Still not so after 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
