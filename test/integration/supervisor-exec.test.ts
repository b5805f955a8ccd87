import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect } from 'vitest'
import type { Pipe } from '../../src/sandbox/pipe.ts'
import {
  build,
  type Build,
  capture,
  command,
  type Host,
  residentBytes,
  startHost,
  supervisorTest,
  until,
} from '../helpers/supervisor.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-root-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const signal = new AbortController().signal
const shell = (text: string) => command('sh', '-c', text)

describe.each<Build>(['supervisor', 'supervisor-sanitized'])('%s', (name) => {
  let host: Host
  let pipe: Pipe

  beforeEach(async () => {
    host = startHost(build(name), root)
    pipe = await host.open()
    return async () => {
      pipe.shutdown()
      expect(await pipe.ended).toBeUndefined()
      expect(await host.exited).toBe(0)
      expect(host.stderr()).toBe('')
    }
  })

  supervisorTest('exec() keeps the streams apart and passes the exit code on', async () => {
    expect(await capture(pipe, shell('echo out; echo err >&2; exit 37'))).toMatchObject({
      exitCode: 37,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      stdoutBytes: 4,
      timedOut: false,
      outOfMemory: false,
    })
    for (const code of [0, 1, 126, 127, 255])
      expect(await capture(pipe, shell(`exit ${code}`))).toMatchObject({ exitCode: code })
  })

  supervisorTest('exec() gives exactly the argv, environment and directory asked for', async () => {
    const request = {
      ...command('env', '-0'),
      env: { B: 'two\nlines', A: '', PATH: '/usr/bin:/bin' },
    }
    expect((await capture(pipe, request)).stdout).toBe('B=two\nlines\0A=\0PATH=/usr/bin:/bin\0')
    const odd = ['', ' ', '$HOME', 'a\nb', 'ünï', '-n', '*']
    const printed = await capture(pipe, command('printf', '%s|', ...odd))
    expect(Buffer.from(printed.stdout, 'latin1').toString()).toBe(
      odd.map((one) => `${one}|`).join(''),
    )
    expect((await capture(pipe, { ...command('pwd', '-P'), cwd: root })).stdout).toBe(`${root}\n`)
  })

  supervisorTest('exec() is binary safe in both directions', async () => {
    const stdin = Buffer.from(
      Array.from({ length: 256 * 4096 }, (_, at) => (at * 7 + (at >> 8)) & 255),
    )
    const result = await capture(pipe, { ...command('cat'), stdin })
    expect(Buffer.from(result.stdout, 'latin1').equals(stdin)).toBe(true)
  })

  supervisorTest('exec() reads an empty input where none was given', async () => {
    expect(await capture(pipe, command('wc', '-c'))).toMatchObject({ stdout: '0\n', exitCode: 0 })
  })

  supervisorTest('exec() does not wait for a command to read its input', async () => {
    const stdin = Buffer.alloc(5_000_000)
    expect(await capture(pipe, { ...command('true'), stdin })).toMatchObject({ exitCode: 0 })
  })

  supervisorTest('exec() tells what could not be started from what failed', async () => {
    writeFileSync(join(root, 'plain'), 'echo no shebang\n')
    chmodSync(join(root, 'plain'), 0o755)
    const cases: [Parameters<typeof capture>[1], string, RegExp][] = [
      [command('no-such-program'), 'ENOENT', /"no-such-program".*cannot be executed/],
      [command('/etc/passwd'), 'EACCES', /cannot be executed/],
      [command(join(root, 'plain')), 'ENOEXEC', /cannot be executed/],
      [command('/etc/passwd/x'), 'ENOTDIR', /cannot be executed/],
      [{ ...command('true'), cwd: '/no/such' }, 'ENOENT', /directory cannot be entered/],
    ]
    for (const [request, errno, message] of cases) {
      await expect(capture(pipe, request)).rejects.toMatchObject({
        code: 'command_not_startable',
        message: expect.stringMatching(message),
        details: { errno },
      })
    }
  })

  supervisorTest('exec() refuses what cannot be said in the protocol', async () => {
    const wrong = [
      command(),
      command(''),
      command('echo', 'a\0b'),
      { ...command('true'), cwd: 'relative' },
      { ...command('true'), env: { A: 'x\0y' } },
      command('echo', 'x'.repeat(1024 * 1024)),
    ]
    for (const request of wrong)
      await expect(capture(pipe, request)).rejects.toMatchObject({ code: 'bad_request' })
  })

  supervisorTest('exec() names the signal that ended a command', async () => {
    expect(await capture(pipe, shell('kill -SEGV $$'))).toMatchObject({
      exitCode: null,
      signal: 'SIGSEGV',
    })
  })

  supervisorTest('signal() reaches the whole process group of the command', async () => {
    let output = ''
    const running = pipe.start(
      shell(
        'trap "echo caught; exit 5" TERM; (trap "echo child; exit" TERM; echo up; while :; do sleep 0.01; done) & wait $!; wait',
      ),
      { onOutput: (_, chunk) => void (output += Buffer.from(chunk).toString()) },
    )
    await until('the child is up', () => output.includes('up'))
    running.signal('SIGTERM')
    expect(await running.result).toMatchObject({ exitCode: 5 })
    expect(output).toContain('caught')
    expect(() => running.signal('SIGNOPE')).toThrow(/no such signal/)
    // After the end it has nobody to reach, and is no error.
    running.signal('SIGTERM')
  })

  supervisorTest('exec() kills at the time limit and says so', async () => {
    const result = await capture(pipe, {
      ...shell('trap "" TERM INT; echo up; sleep 30'),
      timeoutMs: 150,
    })
    expect(result).toMatchObject({
      timedOut: true,
      exitCode: null,
      signal: 'SIGKILL',
      stdout: 'up\n',
    })
    expect(result.insideMs).toBeGreaterThanOrEqual(150)
    expect(result.insideMs).toBeLessThan(3_000)
  })

  supervisorTest('exec() kills at the output limit, after exactly that many bytes', async () => {
    const result = await capture(pipe, { ...shell('yes'), outputBytesMax: 100_001 })
    expect(result).toMatchObject({ outputLimited: true, stdoutBytes: 100_001 })
    const within = await capture(pipe, { ...shell('echo 1234'), outputBytesMax: 5 })
    expect(within).toMatchObject({ outputLimited: false, exitCode: 0, stdout: '1234\n' })
  })

  supervisorTest('exec() runs many commands at once and mixes nothing up', async () => {
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        capture(pipe, shell(`head -c 20000 /dev/zero | tr '\\0' ${at % 10}; exit ${at}`)),
      ),
    )
    results.forEach((result, at) => {
      expect(result.exitCode).toBe(at)
      expect(result.stdout).toBe(String(at % 10).repeat(20_000))
    })
  })

  supervisorTest('start() refuses a 65th channel and takes it once one has ended', async () => {
    const running = Array.from({ length: 64 }, () =>
      pipe.start(command('cat'), { onOutput: () => {} }),
    )
    expect(() => pipe.start(command('true'), { onOutput: () => {} })).toThrow(/at most 64/)
    for (const one of running) one.kill()
    await Promise.all(running.map(({ result }) => result))
    // A channel is free again when the supervisor has confirmed its end.
    await until('a channel is free', () => {
      try {
        pipe.start(command('true'), { onOutput: () => {} })
        return true
      } catch {
        return false
      }
    })
    expect(await capture(pipe, command('true'))).toMatchObject({ exitCode: 0 })
  })

  supervisorTest('a terminal has a size, a line discipline and an end', async () => {
    let output = ''
    const terminal = { rows: 33, columns: 77 }
    const running = pipe.start(
      {
        ...shell('tty; stty size; read line; stty size; echo got $line; cat; echo end'),
        terminal,
        stdin: 'open',
      },
      { onOutput: (_, chunk) => void (output += Buffer.from(chunk).toString()) },
    )
    await until('the first size is printed', () => output.includes('33 77'))
    running.resize({ rows: 10, columns: 20 })
    await running.write(Buffer.from('hello\n'))
    await until('the second size is printed', () => output.includes('10 20'))
    await running.end()
    expect(await running.result).toMatchObject({ exitCode: 0, stderrBytes: 0 })
    expect(output).toMatch(/^\/dev\/pts\/\d+\r\n33 77\r\nhello\r\n10 20\r\ngot hello\r\nend\r\n$/)
  })

  supervisorTest('a terminal turns ^C into SIGINT', async () => {
    const terminal = { rows: 24, columns: 80 }
    const running = pipe.start(
      { ...command('sleep', '30'), terminal, stdin: 'open' },
      { onOutput: () => {} },
    )
    await running.write(Buffer.from([3]))
    expect(await running.result).toMatchObject({ signal: 'SIGINT' })
  })

  supervisorTest('a consumer that throws ends the command and gives its error', async () => {
    const failing = pipe.exec(shell('yes'), {
      signal,
      onOutput: () => {
        throw new Error('disk of the consumer is full')
      },
    })
    await expect(failing).rejects.toThrow('disk of the consumer is full')
  })

  supervisorTest('abort ends a command whose consumer is stuck, and others go on', async () => {
    const stop = new AbortController()
    const stuck = pipe.exec(shell('yes'), {
      signal: stop.signal,
      onOutput: () => new Promise(() => {}),
    })
    expect((await capture(pipe, shell('seq 1 30000'))).stdoutBytes).toBe(168_894)
    stop.abort()
    await expect(stuck).rejects.toMatchObject({ code: 'cancelled' })
  })
})

supervisorTest('a slow reader holds the writer back and no memory grows', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const total = 200 * 1024 * 1024
  const hash = createHash('sha256')
  const before = process.memoryUsage().rss
  let ours = 0
  let theirs = 0
  let seen = 0
  let turns = 0
  const result = await pipe.exec(command('head', '-c', String(total), '/dev/zero'), {
    signal,
    onOutput: async (_, chunk, offset) => {
      expect(offset).toBe(seen)
      seen += chunk.length
      hash.update(chunk)
      if (turns++ % 100 !== 0) return
      await new Promise((resolve) => setTimeout(resolve, 5))
      ours = Math.max(ours, process.memoryUsage().rss)
      theirs = Math.max(theirs, residentBytes(host.pid))
    },
  })
  expect(result).toMatchObject({ exitCode: 0, stdoutBytes: total })
  expect(hash.digest('hex')).toBe(createHash('sha256').update(Buffer.alloc(total)).digest('hex'))
  expect(theirs).toBeLessThan(4 * 1024 * 1024)
  expect(ours - before).toBeLessThan(100 * 1024 * 1024)
})

supervisorTest('output nobody reads stops at the window, byte by byte as well', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const stop = new AbortController()
  const running = pipe.exec(shell('dd if=/dev/zero bs=1 count=3000000 2>/dev/null'), {
    signal: stop.signal,
    onOutput: () => new Promise(() => {}),
  })
  const before = process.memoryUsage().rss
  await capture(pipe, command('sleep', '1'))
  expect(process.memoryUsage().rss - before).toBeLessThan(30 * 1024 * 1024)
  stop.abort()
  await expect(running).rejects.toMatchObject({ code: 'cancelled' })
})

supervisorTest('an idle supervisor holds at most 4 MiB', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  for (let turn = 0; turn < 20; turn++) await capture(pipe, shell('head -c 2000000 /dev/zero'))
  expect(residentBytes(host.pid)).toBeLessThan(4 * 1024 * 1024)
})
