/** What happens to whoever goes beyond a limit, and that the sandbox goes on; the corpus has the attempts themselves. */
import { afterAll, expect } from 'vitest'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containersOf, run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-limits'
expectNoLeftovers(INSTANCE)

const MIB = 1024 ** 2
const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())

const small = testConfinement('workspace_write', { memory: 128 * MIB, pids: 64 })
const tight = {
  ...small,
  ulimits: [
    { name: 'nofile', soft: 256, hard: 256 },
    { name: 'fsize', soft: 4 * MIB, hard: 4 * MIB },
    { name: 'core', soft: 0, hard: 0 },
  ],
  tmpfs: small.tmpfs.map((mount) =>
    mount.target === '/tmp' ? { ...mount, size: 8 * MIB, inodes: 100 } : mount,
  ),
}
const opened = bench.open(tight)
// Whoever awaits it hears of the failure.
opened.catch(() => {})

dockerTest('limits.pids ends a fork bomb where it should, and the sandbox goes on', async () => {
  const sandbox = await opened
  const bomb = 'n=0; while sleep 60 & do n=$((n+1)); [ $n -ge 500 ] && break; done; echo $n'
  const { stderr, timedOut } = await run(sandbox, bomb, { timeoutMs: 10_000 })
  expect(timedOut).toBe(false)
  expect(stderr).toMatch(/fork/i)
  expect(await run(sandbox, 'echo still here')).toMatchObject({ stdout: 'still here\n' })
})

dockerTest('limits.pids holds against a bomb that never stops forking', async () => {
  const sandbox = await opened
  // Not a shell, which gives up at the first fork that finds no room.
  const bomb = "exec perl -e 'fork while 1'"
  expect(await run(sandbox, bomb, { timeoutMs: 1_500 })).toMatchObject({ timedOut: true })
  expect(await run(sandbox, 'echo still here')).toMatchObject({ stdout: 'still here\n' })
})

dockerTest(
  'limits.memory ends the one who takes too much, tells it, and the sandbox goes on',
  async () => {
    const sandbox = await opened
    const hog = 'perl -e \'my @all; push @all, "x" x (8 * 1024 * 1024) while 1\''
    expect(await run(sandbox, hog)).toMatchObject({ outOfMemory: true })
    expect(await run(sandbox, 'echo still here')).toMatchObject({
      stdout: 'still here\n',
      outOfMemory: false,
    })
  },
)

dockerTest('limits.memory counts what is written to memory file systems', async () => {
  const sandbox = await bench.open(small)
  const fill = 'head -c 200M /dev/zero > /home/agent/big; true'
  expect(await run(sandbox, fill)).toMatchObject({ outOfMemory: true })
  await sandbox.close()
})

dockerTest('tmpfs takes no more bytes and no more files than it is given', async () => {
  const sandbox = await opened
  const { stderr } = await run(
    sandbox,
    'for i in 1 2 3 4 5; do head -c 3M /dev/zero > /tmp/$i; done; rm -f /tmp/?; ' +
      'for i in $(seq 200); do : > /tmp/f$i || break; done; rm -f /tmp/f*',
  )
  expect(stderr.match(/No space left on device/g)?.length).toBeGreaterThanOrEqual(2)
})

dockerTest('ulimits bound open files, the size of one file and core dumps', async () => {
  const sandbox = await opened
  const files =
    'perl -e \'my @all; while (open(my $f, "<", "/dev/null")) { push @all, $f } print scalar @all\''
  const { stdout } = await run(sandbox, files)
  expect(Number(stdout)).toBeGreaterThan(200)
  expect(Number(stdout)).toBeLessThan(256)
  expect(await run(sandbox, 'exec head -c 5M /dev/zero > big')).toMatchObject({ signal: 'SIGXFSZ' })
  await run(sandbox, 'kill -SEGV $$')
  expect((await run(sandbox, 'ls /workspace')).stdout).not.toContain('core')
})

dockerTest('ulimits cannot be raised from inside', async () => {
  const sandbox = await opened
  const { exitCode } = await run(sandbox, 'ulimit -H -n 1000000 || ulimit -H -c unlimited')
  expect(exitCode).not.toBe(0)
})

dockerTest('limits.cpus holds back whoever wants more', async () => {
  const half = testConfinement('workspace_write', { cpus: 0.25 })
  const sandbox = await bench.open(half)
  const burn =
    'timeout 1 sh -c "while :; do :; done"; cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null'
  const { stdout } = await run(sandbox, burn)
  expect(Number(/nr_throttled (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(2)
  await sandbox.close()
})

dockerTest('limits.disk ends a sandbox that writes more, and says so', async () => {
  const slot = bench.slot(testConfinement('workspace_write', { disk: 20 * MIB }))
  const measure = async () => ({ bytes: 21 * MIB, inodes: 1 })
  const sandbox = await bench.sandboxes.open(
    { ...slot.spec, measure },
    { signal: new AbortController().signal },
  )
  await expect(run(sandbox, 'sleep 60')).rejects.toMatchObject({
    code: 'sandbox_lost',
    details: { reason: 'disk_limit', bytes: 21 * MIB },
  })
  await sandbox.close()
})

dockerTest('a sandbox whose limits were all tried leaves no container', async () => {
  await (await opened).close()
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})
