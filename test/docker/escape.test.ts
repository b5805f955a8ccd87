/**
 * Attempts to get out of a sandbox or to see more of the host than it should show. Each is a shell
 * text that says ESCAPED when it has worked, and each is made twice: in a container without our
 * hardening, where it must work (else the attempt proves nothing), and in a sandbox, where it must
 * not. Attempts open what they attack; none of them changes anything on the host.
 */
import { afterAll, beforeAll, expect } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import {
  plainContainer,
  type PlainContainer,
  removePlainContainers,
} from '../helpers/plain-container.ts'
import { run, sandboxBench, TEST_USER, type TestSlot, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-escape'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
let slot: TestSlot
let sandbox: Sandbox
/** As an engine makes it by default; `careless` as people make it who want it to just work. */
let plain: Record<'default' | 'user' | 'careless', PlainContainer>

beforeAll(async () => {
  slot = bench.slot(testConfinement('workspace_write'))
  const engine = testEngine()
  const [opened, first, user, careless] = await Promise.all([
    bench.sandboxes.open(slot.spec, { signal: new AbortController().signal }),
    plainContainer(engine, INSTANCE, { binds: [`${slot.tree}:/shared`] }),
    plainContainer(engine, INSTANCE, { user: '1000:1000' }),
    plainContainer(engine, INSTANCE, {
      careless: true,
      binds: ['/var/run/docker.sock:/var/run/docker.sock'],
    }),
  ])
  sandbox = opened
  plain = { default: first, user, careless }
})
afterAll(async () => {
  await bench.closeAll()
  await removePlainContainers(testEngine(), INSTANCE)
})

interface Attempt {
  what: string
  script: string
  /** Where it works. */
  control: 'default' | 'user' | 'careless'
}

const shell = (control: Attempt['control'], attempts: Record<string, string>): Attempt[] =>
  Object.entries(attempts).map(([what, script]) => ({
    what,
    script: `${script} && echo ESCAPED`,
    control,
  }))

/** Opened for writing, and nothing written. */
const opens = (control: Attempt['control'], paths: readonly string[]): Attempt[] =>
  paths.map((path) => ({
    what: `write to ${path}`,
    script: `(: >> ${path}) 2>/dev/null && echo ESCAPED`,
    control,
  }))

const reads = (control: Attempt['control'], paths: readonly string[]): Attempt[] =>
  paths.map((path) => ({
    what: `read ${path}`,
    script: `test "$(head -c 1 ${path} 2>/dev/null | wc -c)" = 1 && echo ESCAPED`,
    control,
  }))

/** System calls by their number on x86-64; refused is EPERM, or ENOSYS as if they did not exist. */
const calls = (control: Attempt['control'], table: Record<string, string>): Attempt[] =>
  process.arch === 'x64'
    ? Object.entries(table).map(([name, args]) => ({
        what: `call ${name}`,
        script: `perl -e 'my ($z, $p, $x) = ("\\0" x 256, "/nowhere", "user"); $! = 0; my $r = syscall(${args}); print "ESCAPED" unless $r < 0 && ($! == 1 || $! == 38)'`,
        control,
      }))
    : []

const attempts: Attempt[] = [
  ...shell('default', {
    'give a file to somebody else': 'touch /tmp/f && chown 12345 /tmp/f',
    'make a device': 'rm -f /tmp/d && mknod /tmp/d b 254 0',
    'change the root directory': 'chroot / /bin/true',
    'take another identity': "perl -e '$< = $> = 12345; exit($> == 12345 ? 0 : 1)'",
    'install a program': 'touch /usr/local/bin/x',
    'write to the root directory': 'touch /x',
  }),
  ...shell('careless', {
    'mount a file system': 'mkdir -p /tmp/m && mount -t tmpfs x /tmp/m && umount /tmp/m',
    'mount a directory elsewhere': 'mkdir -p /tmp/m && mount --bind /etc /tmp/m && umount /tmp/m',
    'remount the root writable': 'mount -o remount,rw /',
    'remount /proc/sys writable': 'mount -o remount,rw /proc/sys || mount -o remount,rw /proc',
    'make a user namespace': 'unshare -U true',
    'make a user namespace and be root in it': 'unshare -Ur true',
    'make a mount namespace': 'unshare -m true',
    'make a network namespace': 'unshare -n true',
    'make a pid namespace': 'unshare -p true',
    'enter a namespace': 'nsenter -t 1 -m true',
    'find the socket of the engine':
      'test -n "$(find / -xdev -name docker.sock 2>/dev/null)" || test -S /var/run/docker.sock',
    'talk to the engine':
      'curl -sf --max-time 2 --unix-socket /var/run/docker.sock http://x/_ping >/dev/null',
    'read a disk': 'head -c 1 "$(find /dev -type b | head -1)" | wc -c | grep -qx 1',
    'find devices of the host':
      'test -n "$(ls /dev | grep -E "^(kmsg|mem|port|sd|vd|nvme|loop|fuse|net)")"',
    'find a block device': 'test -n "$(find /dev -type b)"',
    'make the control groups writable':
      'mount -o remount,rw /sys/fs/cgroup/pids || mount -o remount,rw /sys/fs/cgroup',
  }),
  ...shell('user', {
    'list what the first process has open': 'ls /proc/1/fd/ >/dev/null 2>&1',
    'speak through the output of the first process': 'test -w /proc/1/fd/1',
    'read where the first process stands': 'readlink /proc/1/cwd >/dev/null',
    'trace the first process': "perl -e 'exit(syscall(101, 16, 1, 0, 0) == 0 ? 0 : 1)'",
  }),
  ...reads('user', ['/proc/1/environ', '/proc/1/auxv']),
  ...opens('user', ['/proc/1/mem']),
  ...opens('default', ['/etc/passwd', '/etc/hosts', '/etc/resolv.conf', '/usr/bin/env', '/root/x']),
  ...opens('careless', [
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/domainname',
    '/proc/sys/vm/overcommit_memory',
    '/proc/sys/fs/suid_dumpable',
    '/proc/sysrq-trigger',
    '/dev/kmsg',
    '/dev/mem',
  ]),
  ...reads('default', [
    '/proc/cmdline',
    '/proc/partitions',
    '/proc/diskstats',
    '/proc/interrupts',
    '/proc/modules',
    '/proc/kallsyms',
  ]),
  ...reads('careless', ['/proc/kcore', '/proc/timer_list', '/proc/config.gz']),
  ...calls('careless', {
    bpf: '321, 0, $z, 128',
    perf_event_open: '298, $z, 0, -1, -1, 0',
    keyctl: '250, 0, -3, 1',
    add_key: '248, $x, $x, $p, 1, -2',
    userfaultfd: '323, 0',
    io_uring_setup: '425, 1, $z',
    process_vm_readv: '310, $$, $z, 0, $z, 0, 0',
    kcmp: '312, $$, $$, 0, 0, 0',
    mount: '165, 0, $p, 0, 0, 0',
    umount2: '166, $p, 0',
    pivot_root: '155, $p, $p',
    swapoff: '168, $p',
    init_module: '175, $z, 0, $z',
    kexec_load: '246, 0, 0, 0, 0xffff0000',
    open_by_handle_at: '304, -1, $z, 0',
    name_to_handle_at: '303, -100, $p, $z, $z, 0',
    fanotify_init: '300, 0, 0',
    fsopen: '430, $x, 0',
    open_tree: '428, -100, $p, 0',
    move_mount: '429, -1, $z, -1, $z, 0',
    setns: '308, -1, 0',
    unshare: '272, 0x10000000',
    pidfd_getfd: '438, -1, 0, 0',
    syslog: '103, 10, 0, 0',
    quotactl: '179, 0x80000100, 0, 0, 0',
    sethostname: '170, $x, 100000',
    acct: '163, $p',
    iopl: '172, 3',
    modify_ldt: '154, 0, $z, 0',
    settimeofday: '164, $p, 0',
  }),
  ...calls('default', { ptrace: '101, 0, 0, 0, 0' }),
]

let proven = 0

for (const { what, script, control } of attempts) {
  dockerTest(`a sandbox does not let anybody ${what}`, async (context) => {
    const [free, confined] = await Promise.all([
      plain[control].run(script),
      run(sandbox, script, { timeoutMs: 10_000 }),
    ])
    expect(confined.stdout).not.toContain('ESCAPED')
    expect(confined.timedOut).toBe(false)
    if (!free.stdout.includes('ESCAPED'))
      context.skip(`This kernel does not let even an unconfined container ${what}`)
    proven++
  })
}

dockerTest('most attempts work where nothing prevents them', () => {
  expect(proven).toBeGreaterThan(attempts.length * 0.85)
})

dockerTest('a set-id program gives nobody another identity', async () => {
  const made =
    'cp /usr/bin/id /shared/set-id && chown 0:0 /shared/set-id && chmod 6755 /shared/set-id'
  expect((await plain.default.run(made)).exitCode).toBe(0)
  expect((await plain.default.run('/shared/set-id -u', { user: '1000' })).stdout).toBe('0\n')
  const { stdout } = await run(sandbox, 'ls -l set-id; /workspace/set-id -u')
  expect(stdout).toContain('-rwsr-sr-x')
  expect(stdout.trim().split('\n').at(-1)).toBe(String(TEST_USER.uid))
})

dockerTest('no image of ours holds a set-id program', async () => {
  const { stdout } = await run(sandbox, 'find / -xdev -perm /6000 -type f 2>/dev/null')
  expect(stdout).toBe('')
})

dockerTest('nobody inside can end or stop the supervisor', async () => {
  const signals = ['KILL', 'TERM', 'STOP', 'INT', 'HUP', 'SEGV', 'USR1', 'PIPE']
  await run(sandbox, signals.map((name) => `kill -${name} 1`).join('; '))
  await run(sandbox, 'kill -KILL -1')
  expect((await run(sandbox, 'echo alive')).stdout).toBe('alive\n')
})

dockerTest('nobody inside can change the supervisor', async () => {
  const { exitCode } = await run(
    sandbox,
    '(: >> /.openexec/supervisor) || touch /.openexec/x || rm -f /.openexec/supervisor',
  )
  expect(exitCode).not.toBe(0)
})

dockerTest('a sandbox sees only processes of its own', async () => {
  const { stdout } = await run(sandbox, 'ls -d /proc/[0-9]* | wc -l')
  expect(Number(stdout)).toBeLessThan(10)
})

dockerTest('a sandbox is told neither the name nor the environment of its host', async () => {
  const { stdout } = await run(sandbox, 'cat /etc/hostname /proc/sys/kernel/hostname; env')
  expect(stdout).toMatch(/^sandbox\nsandbox\n/)
  for (const name of ['PWD', 'HOME', 'PATH']) {
    const value = process.env[name]
    if (value !== undefined && value.length > 10) expect(stdout).not.toContain(value)
  }
})
