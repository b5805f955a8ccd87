import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect } from 'vitest'
import type { Command } from '../../src/sandbox/pipe-command.ts'
import type { Pipe } from '../../src/sandbox/pipe.ts'
import { encodeFrame } from '../../src/sandbox/protocol-encode.ts'
import { TO } from '../../src/sandbox/protocol.ts'
import {
  build,
  type Build,
  capture,
  command,
  type Host,
  processes,
  startHost,
  supervisorTest,
  until,
} from '../helpers/supervisor.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-root-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const signal = new AbortController().signal
const shell = (text: string) => command('sh', '-c', text)
const LINES = 60_000
const COUNT = `i=0; while [ $i -lt 60 ]; do seq $((i*1000)) $((i*1000+999)); i=$((i+1)); done`
const EXPECTED = Array.from({ length: LINES }, (_, line) => `${line}\n`).join('')

/** What an orchestrator would have on disk: it survives the loss of the pipe. */
interface Spool {
  channel: number
  stdout: Buffer[]
  bytes: number
}

function follow(spool: Spool) {
  return {
    onOutput: (_: string, chunk: Uint8Array, offset: number) => {
      expect(offset).toBe(spool.bytes)
      spool.stdout.push(Buffer.from(chunk))
      spool.bytes += chunk.length
    },
  }
}

const text = (spool: Spool) => Buffer.concat(spool.stdout).toString()

async function begin(
  pipe: Pipe,
  request = shell(COUNT),
): Promise<{ spool: Spool; running: Command }> {
  const spool: Spool = { channel: 0, stdout: [], bytes: 0 }
  const running = pipe.start(request, follow(spool))
  spool.channel = running.channel
  // Frames leave at the end of a turn; a cut before that would be one before the command.
  await new Promise((resolve) => setImmediate(resolve))
  return { spool, running }
}

async function goOn(host: Host, spool: Spool): Promise<{ pipe: Pipe; running: Command }> {
  const pipe = await host.open()
  const offsets = { stdoutBytes: spool.bytes, stderrBytes: 0 }
  return { pipe, running: pipe.resume(spool.channel, { ...follow(spool), ...offsets }) }
}

describe.each<Build>(['supervisor', 'supervisor-sanitized'])('%s', (name) => {
  supervisorTest(
    'a command goes on with no byte lost or doubled, wherever the output is cut',
    async () => {
      await using host = startHost(build(name), root)
      let pipe = await host.open()
      for (const bytes of [0, 1, 11, 12, 13, 20, 21, 4_000, 65_000, 65_570, 131_072, 300_000]) {
        const { spool, running } = await begin(pipe)
        await host.cutAfter('out', bytes)
        await expect(running.result).rejects.toMatchObject({ code: 'sandbox_lost' })
        const next = await goOn(host, spool)
        pipe = next.pipe
        expect(await next.running.result).toMatchObject({
          exitCode: 0,
          stdoutBytes: EXPECTED.length,
        })
        expect(text(spool) === EXPECTED).toBe(true)
      }
    },
  )

  supervisorTest('a command goes on however often the orchestrator is lost', async () => {
    await using host = startHost(build(name), root)
    const { spool, running } = await begin(await host.open(), shell(`${COUNT}; exit 9`))
    let last: Command = running
    for (let cut = 0; cut < 40; cut++) {
      const cutting = host.cutAfter('out', (cut * 7919) % 20_000)
      const over = await Promise.race([
        last.result.then(
          () => true,
          () => false,
        ),
        cutting.then(() => false),
      ])
      if (over) break
      await expect(last.result).rejects.toThrow()
      last = (await goOn(host, spool)).running
    }
    expect(await last.result).toMatchObject({ exitCode: 9 })
    expect(text(spool) === EXPECTED).toBe(true)
  })

  supervisorTest('a frame torn on its way in harms nothing, wherever it is cut', async () => {
    await using host = startHost(build(name), root)
    const { spool, running } = await begin(await host.open(), { ...command('cat'), stdin: 'open' })
    await until('the command runs', () => processes('').some(({ line }) => line === 'cat '))
    let last = running
    let sent = 0
    for (const bytes of [1, 5, 11, 12, 13, 19, 20, 21, 22, 400, 1_019, 1_020]) {
      const lost = expect(last.result).rejects.toMatchObject({ code: 'sandbox_lost' })
      const cutting = host.cutAfter('in', bytes)
      void last.write(Buffer.alloc(1_000, 'x')).catch(() => {})
      await Promise.all([cutting, lost])
      const pipe = await host.open()
      const live = pipe.hello.live.find(({ channel }) => channel === spool.channel)
      // All of a frame has been taken, or nothing.
      expect(live?.inputBytes).toBe(sent)
      const offsets = { stdoutBytes: spool.bytes, stderrBytes: 0 }
      last = pipe.resume(spool.channel, { ...follow(spool), ...offsets })
      await last.write(Buffer.from('y'))
      sent += 1
      await until('it came back', () => spool.bytes === sent)
    }
    await last.end()
    expect(await last.result).toMatchObject({ exitCode: 0 })
    expect(text(spool)).toBe('y'.repeat(sent))
  })
})

supervisorTest('how a command ended is told to the next one who attaches', async () => {
  await using host = startHost(build('supervisor'), root)
  const { spool, running } = await begin(await host.open(), shell('sleep 0.1; echo late; exit 3'))
  await host.cutAfter('out', 0)
  await expect(running.result).rejects.toThrow()
  await new Promise((resolve) => setTimeout(resolve, 300))
  const next = await goOn(host, spool)
  expect(next.pipe.hello.live).toMatchObject([{ state: 'exited', stdout: { from: 0, to: 5 } }])
  expect(await next.running.result).toMatchObject({ exitCode: 3, stdoutBytes: 5 })
  expect(text(spool)).toBe('late\n')
  // It has been released, so a third one hears nothing of it.
  await next.pipe.stat(root, { signal })
  expect((await host.open()).hello.live).toEqual([])
})

supervisorTest(
  'a command whose output nobody takes waits for the next one who attaches',
  async () => {
    await using host = startHost(build('supervisor'), root)
    const { spool, running } = await begin(
      await host.open(),
      shell('head -c 3000000 /dev/zero; exit 1'),
    )
    await host.cutAfter('out', 10)
    await expect(running.result).rejects.toThrow()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const next = await goOn(host, spool)
    expect(next.pipe.hello.live).toMatchObject([
      { state: 'running', stdout: { from: 0, to: 512 * 1024 } },
    ])
    expect(await next.running.result).toMatchObject({ exitCode: 1, stdoutBytes: 3_000_000 })
  },
)

supervisorTest('resume() refuses what the supervisor does not hold', async () => {
  await using host = startHost(build('supervisor'), root)
  const { spool, running } = await begin(await host.open(), shell('echo hello; sleep 30'))
  await until('it has written', () => spool.bytes === 6)
  await host.cutAfter('out', 0)
  await expect(running.result).rejects.toThrow()
  const pipe = await host.open()
  const onOutput = () => {}
  const refused = [
    [spool.channel, 7, 0],
    [spool.channel, 0, 1],
    [spool.channel + 1, 0, 0],
  ] as const
  for (const [channel, stdoutBytes, stderrBytes] of refused)
    expect(() => pipe.resume(channel, { onOutput, stdoutBytes, stderrBytes })).toThrow(
      /Cannot resume/,
    )
  const again = pipe.resume(spool.channel, { onOutput, stdoutBytes: 0, stderrBytes: 0 })
  again.kill()
  expect(await again.result).toMatchObject({ killed: true })
})

supervisorTest('a time limit holds while nobody is attached', async () => {
  await using host = startHost(build('supervisor'), root)
  const { spool, running } = await begin(await host.open(), {
    ...command('sleep', '30'),
    timeoutMs: 200,
  })
  await host.cutAfter('out', 0)
  await expect(running.result).rejects.toThrow()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { running: resumed } = await goOn(host, spool)
  expect(await resumed.result).toMatchObject({ timedOut: true })
})

supervisorTest('a write that was under way leaves nothing behind', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  const cutting = host.cutAfter('in', 300_000)
  const writing = pipe.writeFile(join(root, 'half'), Buffer.alloc(1_000_000), {
    mode: 0o600,
    signal,
  })
  await expect(writing).rejects.toMatchObject({ code: 'sandbox_lost' })
  await cutting
  expect((await host.open()).hello.live).toEqual([])
  expect(readdirSync(root)).toEqual([])
})

supervisorTest(
  'a supervisor nobody has spoken to for the agreed time ends with all its commands',
  async () => {
    await using host = startHost(build('supervisor'), root)
    const pipe = await host.open({ orphanTimeoutMs: 400 })
    const running = pipe.start(command('sleep', '31.4159'), { onOutput: () => {} })
    // While the pipe is open its pings keep the sandbox alive.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(host.child.exitCode).toBeNull()
    pipe.close()
    await expect(running.result).rejects.toMatchObject({ code: 'cancelled' })
    expect(await host.exited).toBe(69)
    expect(processes('sleep 31.4159')).toEqual([])
  },
)

supervisorTest('a supervisor does not end because its input does', async () => {
  await using host = startHost(build('supervisor'), root)
  const { running, spool } = await begin(
    await host.open({ orphanTimeoutMs: 700 }),
    shell('sleep 0.2; echo still here'),
  )
  host.child.stdin.end()
  expect(await running.result).toMatchObject({ exitCode: 0 })
  expect(text(spool)).toBe('still here\n')
  expect(await host.exited).toBe(69)
})

const PING = encodeFrame(TO.ping, 0, [Buffer.alloc(8)])
const VIOLATIONS: [string, (key: string) => Buffer][] = [
  ['a key that is none', () => Buffer.from('z'.repeat(64))],
  ['a frame before the attach', (key) => Buffer.concat([Buffer.from(key), PING])],
  ['an unknown frame', (key) => after(key, Buffer.from('7f0000000000000000000000', 'hex'))],
  ['a length of 4 GiB', (key) => after(key, Buffer.from('1000000000000001ffffffff', 'hex'))],
  ['a frame for a channel that is not open', (key) => after(key, encodeFrame(TO.kill, 5, []))],
  ['an EXEC that is malformed', (key) => after(key, encodeFrame(TO.exec, 1, [Buffer.alloc(40)]))],
  [
    'an id that was used before',
    (key) => after(key, ...Array.from({ length: 2 }, () => encodeFrame(TO.probe, 9, []))),
  ],
  [
    'input on a probe',
    (key) =>
      after(key, encodeFrame(TO.probe, 1, []), encodeFrame(TO.inputEnd, 1, [Buffer.alloc(8)])),
  ],
  [
    'credit for what was never sent',
    (key) =>
      after(key, encodeFrame(TO.probe, 1, []), encodeFrame(TO.credit, 1, [Buffer.alloc(8, 1)], 1)),
  ],
  ['a second ATTACH without its key', (key) => after(key, attachFrame())],
]

function attachFrame(): Buffer {
  return encodeFrame(TO.attach, 0, [Buffer.from([0, 1, 0, 0]), randomBytes(32), Buffer.alloc(4)])
}

function after(key: string, ...frames: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(key), attachFrame(), ...frames])
}

for (const [what, bytes] of VIOLATIONS) {
  supervisorTest(`a supervisor ends with status 70 at ${what}`, async () => {
    await using host = startHost(build('supervisor'), root)
    host.attach().write(bytes(randomBytes(32).toString('hex')))
    expect(await host.exited).toBe(70)
    expect(host.stderr()).toMatch(/^supervisor: protocol violation: .+\n$/)
  })
}

supervisorTest('a violation takes the running commands with it', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open()
  pipe.start(command('sleep', '31.27182'), { onOutput: () => {} })
  await until('it runs', () => processes('sleep 31.27182').length === 1)
  host.child.stdin.write('garbage, twelve and more')
  expect(await host.exited).toBe(70)
  expect(processes('sleep 31.27182')).toEqual([])
  expect(await pipe.ended).toMatchObject({ code: 'sandbox_lost' })
})

supervisorTest('two pipes cannot share a sandbox: the later one has it', async () => {
  await using host = startHost(build('supervisor'), root)
  const first = await host.open()
  const second = await host.open()
  expect(await first.ended).toMatchObject({ code: 'sandbox_lost' })
  await expect(capture(first, command('true'))).rejects.toMatchObject({ code: 'sandbox_lost' })
  expect(await capture(second, command('true'))).toMatchObject({ exitCode: 0 })
})
