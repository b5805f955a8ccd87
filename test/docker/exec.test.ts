import { symlinkSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { run, sandboxBench, type TestSlot, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-exec'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
let slot: TestSlot
let sandbox: Sandbox

beforeAll(async () => {
  slot = bench.slot(testConfinement('workspace_write'))
  sandbox = await bench.sandboxes.open(slot.spec, { signal: new AbortController().signal })
})
afterAll(() => bench.closeAll())

dockerTest('exec() keeps stdout and stderr apart and counts both', async () => {
  expect(await run(sandbox, 'echo out; echo wrong >&2; echo more')).toMatchObject({
    exitCode: 0,
    signal: null,
    stdout: 'out\nmore\n',
    stderr: 'wrong\n',
    stdoutBytes: 9,
    stderrBytes: 6,
    timedOut: false,
    outOfMemory: false,
  })
})

dockerTest('exec() passes every exit code on', async () => {
  const codes = Array.from({ length: 256 }, (_, code) => code)
  const seen: (number | null)[] = []
  for (let at = 0; at < codes.length; at += 16) {
    const some = codes.slice(at, at + 16).map((code) => run(sandbox, `exit ${code}`))
    seen.push(...(await Promise.all(some)).map(({ exitCode }) => exitCode))
  }
  expect(seen).toEqual(codes)
})

for (const name of ['TERM', 'KILL', 'SEGV', 'HUP']) {
  dockerTest(`exec() tells that SIG${name} ended a command`, async () => {
    expect(await run(sandbox, `kill -${name} $$`)).toMatchObject({
      exitCode: null,
      signal: `SIG${name}`,
      timedOut: false,
    })
  })
}

dockerTest('exec() runs argv as it is, with no shell in between', async () => {
  const argv = ['/usr/bin/printf', '%s|', 'a b', '$HOME', '*', '"', "'", '\n', 'ä', '']
  expect((await run(sandbox, argv)).stdout).toBe('a b|$HOME|*|"|\'|\n|ä||')
})

dockerTest('exec() adds variables to the environment of the confinement', async () => {
  const { stdout } = await run(sandbox, 'echo "$HOME $USER $EXTRA"', { env: { EXTRA: 'x=y z' } })
  expect(stdout).toBe('/home/agent agent x=y z\n')
})

dockerTest('exec() gives standard input whole, as bytes, and closes it', async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256))
  const chunks: Uint8Array[] = []
  const result = await sandbox.exec({
    argv: ['/bin/cat'],
    env: {},
    cwd: '/tmp',
    timeoutMs: 10_000,
    stdin: bytes,
    signal: new AbortController().signal,
    onOutput: (_stream, chunk) => void chunks.push(Buffer.from(chunk)),
  })
  expect(result.exitCode).toBe(0)
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
})

dockerTest('exec() gives an empty standard input where there is none', async () => {
  expect(await run(sandbox, ['/bin/cat'], { timeoutMs: 5_000 })).toMatchObject({
    exitCode: 0,
    timedOut: false,
  })
})

dockerTest('exec() says that there is no such program', async () => {
  await expect(run(sandbox, ['no-such-program'])).rejects.toMatchObject({
    code: 'command_not_startable',
  })
  await expect(run(sandbox, ['/workspace'])).rejects.toMatchObject({
    code: 'command_not_startable',
  })
})

for (const cwd of ['/', '/etc', '/proc/self', 'workspace', '/workspace/../etc', '/workspacex']) {
  dockerTest(`exec() refuses the working directory ${cwd}`, async () => {
    await expect(run(sandbox, ['/bin/pwd'], { cwd })).rejects.toMatchObject({ code: 'bad_request' })
  })
}

dockerTest('exec() keeps commands that run at the same time apart', async () => {
  const ran = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((n) => run(sandbox, `sleep 0.0${n}; echo ${n}; exit ${n}`)),
  )
  expect(ran.map(({ stdout, exitCode }) => [stdout, exitCode])).toEqual(
    [1, 2, 3, 4, 5, 6].map((n) => [`${n}\n`, n]),
  )
})

/** Everything still running that has the word in its arguments. */
async function survivors(word: string): Promise<string> {
  const { stdout } = await run(sandbox, `pgrep -af '[${word[0]}]${word.slice(1)}'; true`)
  return stdout
}

/** A command that does all it can to outlive its own end. */
const clinging = (seconds: number) =>
  `trap '' TERM HUP INT; (setsid sh -c 'trap "" TERM HUP; sleep ${seconds} & wait' &) ; ` +
  `(setsid setsid sleep ${seconds} &) & (sleep ${seconds} & kill -STOP $!) & echo ready; sleep ${seconds}`

dockerTest('exec() kills a command at its time limit with all it has started', async () => {
  const before = performance.now()
  const ran = await run(sandbox, clinging(4321), { timeoutMs: 700 })
  expect(ran).toMatchObject({
    exitCode: null,
    signal: 'SIGKILL',
    timedOut: true,
    stdout: 'ready\n',
  })
  expect(performance.now() - before).toBeLessThan(2_500)
  expect(await survivors('sleep 4321')).toBe('')
})

dockerTest('exec() leaves nothing running after a command that ended by itself', async () => {
  await run(sandbox, '(setsid sleep 4322 &) ; (setsid setsid sleep 4322 &) ; exit 0')
  expect(await survivors('sleep 4322')).toBe('')
})

dockerTest('exec() kills on abort with all that was started, and says cancelled', async () => {
  const controller = new AbortController()
  const running = run(sandbox, clinging(4323), { signal: controller.signal })
  setTimeout(() => controller.abort(), 300)
  const before = performance.now()
  await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  expect(performance.now() - before).toBeLessThan(2_000)
  expect(await survivors('sleep 4323')).toBe('')
})

dockerTest('exec() makes a flood wait for its reader instead of keeping it', async () => {
  const MIB = 1024 ** 2
  let bytes = 0
  let held = 0
  const before = process.memoryUsage().arrayBuffers
  const result = await sandbox.exec({
    argv: ['/bin/sh', '-c', 'head -c 40M /dev/zero'],
    env: {},
    cwd: '/tmp',
    timeoutMs: 60_000,
    stdin: Buffer.of(),
    signal: new AbortController().signal,
    onOutput: async (_stream, chunk) => {
      if (bytes === 0) {
        // Nothing is taken for so long that all of it would have come.
        await delay(1_500)
        held = process.memoryUsage().arrayBuffers - before
      }
      bytes += chunk.length
    },
  })
  expect(result).toMatchObject({ exitCode: 0, stdoutBytes: 40 * MIB })
  expect(bytes).toBe(40 * MIB)
  expect(held).toBeLessThan(8 * MIB)
})

dockerTest('writeFile() and readFile() carry bytes, parents and mode', async () => {
  const content = Buffer.from([0, 255, 10, 13, 128])
  await sandbox.writeFile('/workspace/new/dir/file', content, { mode: 0o640 })
  expect(Buffer.from(await sandbox.readFile('/workspace/new/dir/file', { maxBytes: 100 }))).toEqual(
    content,
  )
  const onHost = statSync(join(slot.tree, 'new/dir/file'))
  expect(onHost).toMatchObject({ uid: slot.spec.user.uid, size: 5 })
  expect(onHost.mode & 0o7777).toBe(0o640)
  expect(await sandbox.stat('/workspace/new/dir/file')).toEqual({
    type: 'file',
    size: 5,
    mode: 0o640,
  })
  await sandbox.removeFile('/workspace/new/dir/file')
  expect(await sandbox.stat('/workspace/new/dir/file')).toBeUndefined()
  await expect(sandbox.readFile('/workspace/new/dir/file', { maxBytes: 1 })).rejects.toMatchObject({
    code: 'not_found',
  })
})

dockerTest('list() gives names as bytes, whatever they hold', async () => {
  await run(
    sandbox,
    `mkdir names && cd names && touch "$(printf 'a\\nb')" "$(printf 'bad\\377')" -- -x`,
  )
  const entries = await sandbox.list('/workspace/names')
  expect(entries.map(({ name }) => Buffer.from(name).toString('latin1')).sort()).toEqual([
    '-x',
    'a\nb',
    'bad\xff',
  ])
})

dockerTest(
  'exec() refuses more arguments than the protocol has, and the sandbox goes on',
  async () => {
    const many = Array.from({ length: 16_384 }, () => 'x')
    await expect(run(sandbox, ['/bin/true', ...many])).rejects.toMatchObject({
      code: 'bad_request',
    })
    expect(await run(sandbox, ['/bin/true', ...many.slice(1)])).toMatchObject({ exitCode: 0 })
  },
)

dockerTest('readFile() follows no link, opens no FIFO and reads no more than asked', async () => {
  await run(
    sandbox,
    'ln -s /etc/passwd link; ln -s /etc dir; mkfifo fifo; head -c 1000 /dev/zero > big',
  )
  const refused = { code: 'bad_request' }
  for (const path of ['/workspace/link', '/workspace/dir/passwd', '/workspace/fifo']) {
    await expect(sandbox.readFile(path, { maxBytes: 10_000 })).rejects.toMatchObject(refused)
  }
  for (const path of ['/etc/passwd', '/proc/1/environ', '/workspace/../etc/passwd']) {
    await expect(sandbox.readFile(path, { maxBytes: 10_000 })).rejects.toMatchObject(refused)
  }
  await expect(sandbox.readFile('/workspace/big', { maxBytes: 999 })).rejects.toMatchObject(refused)
  await expect(
    sandbox.writeFile('/workspace/dir/evil', Buffer.of(), { mode: 0o600 }),
  ).rejects.toMatchObject(refused)
  symlinkSync('/etc/hostname', join(slot.tree, 'planted'))
  await expect(sandbox.readFile('/workspace/planted', { maxBytes: 99 })).rejects.toMatchObject(
    refused,
  )
})

dockerTest('writeFile() does not write through a link', async () => {
  await run(sandbox, 'echo kept > target; ln -s target alias')
  await expect(
    sandbox.writeFile('/workspace/alias', Buffer.from('new'), { mode: 0o644 }),
  ).rejects.toMatchObject({ code: 'bad_request' })
  expect((await run(sandbox, 'cat target')).stdout).toBe('kept\n')
})

dockerTest('close() may be called twice and takes the user files of the slot with it', async () => {
  const own = bench.slot(testConfinement('workspace_write'))
  const opened = await bench.sandboxes.open(own.spec, { signal: new AbortController().signal })
  expect(readdirSync(join(own.spec.slot, 'users'))).toHaveLength(1)
  await Promise.all([opened.close(), opened.close()])
  await opened.close()
  expect(readdirSync(join(own.spec.slot, 'users'))).toEqual([])
  await expect(run(opened, ['/bin/true'])).rejects.toMatchObject({ code: 'sandbox_lost' })
})
