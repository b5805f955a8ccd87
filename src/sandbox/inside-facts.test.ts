import { expect, test } from 'vitest'
import { readInside } from './inside-facts.ts'

const read = (files: Record<string, string>) => readInside(new Map(Object.entries(files)))

test('readInside() reads the limits of the second kind of control group', () => {
  const facts = read({
    '/sys/fs/cgroup/memory.max': '1073741824\n',
    '/sys/fs/cgroup/memory.swap.max': '0\n',
    '/sys/fs/cgroup/pids.max': '256\n',
    '/sys/fs/cgroup/cpu.max': '150000 100000\n',
  })
  expect(facts).toMatchObject({ memory: 2 ** 30, memoryAndSwap: 2 ** 30, pids: 256, cpus: 1.5 })
})

test('readInside() reads no limit as infinite, of both kinds', () => {
  expect(
    read({
      '/sys/fs/cgroup/memory.max': 'max\n',
      '/sys/fs/cgroup/memory.swap.max': 'max\n',
      '/sys/fs/cgroup/pids.max': 'max\n',
      '/sys/fs/cgroup/cpu.max': 'max 100000\n',
    }),
  ).toMatchObject({ memory: Infinity, memoryAndSwap: Infinity, pids: Infinity, cpus: Infinity })
  expect(
    read({
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    }),
  ).toMatchObject({ memory: Infinity, cpus: Infinity })
})

test('readInside() calls nothing known where it is shown nothing', () => {
  expect(read({})).toEqual({
    uids: [],
    gids: [],
    groups: [],
    capabilities: {},
    noNewPrivileges: false,
    seccomp: undefined,
    interfaces: undefined,
    routes: undefined,
    mounts: [],
    memory: undefined,
    memoryAndSwap: undefined,
    pids: undefined,
    cpus: undefined,
    ulimits: new Map(),
  })
})

test('readInside() unescapes the targets of mounts and merges the options of both sides', () => {
  const line = '8 1 8:1 /t /work\\040space\\134x ro,relatime shared:1 - ext4 /dev/vda rw,discard\n'
  expect(read({ '/proc/self/mountinfo': `${line}broken\n` }).mounts).toEqual([
    { target: '/work space\\x', type: 'ext4', options: new Set(['discard', 'ro', 'relatime']) },
  ])
})

test('readInside() takes a read-only file system for read-only whatever the mount says', () => {
  const line = '8 1 8:1 / /x rw,relatime - ext4 /dev/vda ro,discard\n'
  expect(read({ '/proc/self/mountinfo': line }).mounts[0]?.options.has('ro')).toBe(true)
})
