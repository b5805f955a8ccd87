import { expect, test } from 'vitest'
import { z } from 'zod'
import { seccompProfile } from './seccomp-profile.ts'
import { ABSENT_SYSCALLS, ALLOWED_SYSCALLS, CONDITIONAL_SYSCALLS } from './seccomp-table.ts'

const Profile = z.strictObject({
  defaultAction: z.literal('SCMP_ACT_ERRNO'),
  defaultErrnoRet: z.literal(1),
  archMap: z.array(
    z.strictObject({ architecture: z.string(), subArchitectures: z.array(z.string()) }),
  ),
  syscalls: z.array(
    z.strictObject({
      names: z.array(z.string()).min(1),
      action: z.enum(['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO']),
      errnoRet: z.number().optional(),
      args: z
        .array(
          z.strictObject({
            index: z.number(),
            value: z.number(),
            valueTwo: z.number().optional(),
            op: z.enum(['SCMP_CMP_EQ', 'SCMP_CMP_MASKED_EQ']),
          }),
        )
        .length(1)
        .optional(),
    }),
  ),
})

const profile = Profile.parse(JSON.parse(seccompProfile().profile))
const allowed = new Set(
  profile.syscalls
    .filter(({ action, args }) => action === 'SCMP_ACT_ALLOW' && args === undefined)
    .flatMap(({ names }) => names),
)

/** Everything that must never be allowed without a look at its arguments. */
const DANGEROUS = `
  acct add_key adjtimex bpf chroot clock_adjtime clock_adjtime64 clock_settime clock_settime64 clone
  clone3 create_module delete_module fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen
  fspick get_kernel_syms get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup
  ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie lsm_set_self_attr mbind mknod
  mknodat modify_ldt mount mount_setattr move_mount move_pages name_to_handle_at nfsservctl
  open_by_handle_at open_tree perf_event_open personality pidfd_getfd pivot_root prlimit64 process_madvise
  process_vm_readv process_vm_writev ptrace query_module quotactl quotactl_fd reboot
  remap_file_pages request_key set_mempolicy setdomainname sethostname setns settimeofday socket
  socketcall stime swapoff swapon _sysctl sysfs syslog umount umount2 unshare uselib userfaultfd
  ustat vhangup vm86 vm86old vmsplice`
  .trim()
  .split(/\s+/)

test('seccompProfile() allows nothing dangerous without a condition', () => {
  expect(DANGEROUS.filter((name) => allowed.has(name))).toEqual([])
})

test('seccompProfile() names each call once', () => {
  const names = [...ABSENT_SYSCALLS, ...ALLOWED_SYSCALLS, ...CONDITIONAL_SYSCALLS].flatMap(
    ({ syscalls }) => syscalls,
  )
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
})

test('seccompProfile() shuts what hides arguments before it opens what can be checked', () => {
  const indexOf = (name: string) => profile.syscalls.findIndex(({ names }) => names.includes(name))
  expect(indexOf('socketcall')).toBeLessThan(indexOf('socket'))
  expect(indexOf('clone3')).toBeLessThan(indexOf('clone'))
  // Equal to the default it would be skipped by the runtime, and the library would open it.
  expect(profile.syscalls[indexOf('socketcall')]?.errnoRet).not.toBe(profile.defaultErrnoRet)
})

test('seccompProfile() lets arguments decide as the table says', () => {
  const rules = profile.syscalls
    .filter(({ args }) => args !== undefined)
    .map(({ names, args }) => {
      const { index, value, valueTwo, op } = args?.[0] ?? { index: -1, value: -1, op: '' }
      return [names.join(), index, op, value, valueTwo].join(' ').trim()
    })
  expect(rules).toEqual([
    'socket 0 SCMP_CMP_EQ 1',
    'socket 0 SCMP_CMP_EQ 2',
    'socket 0 SCMP_CMP_EQ 10',
    'socket 0 SCMP_CMP_EQ 16',
    'clone 0 SCMP_CMP_MASKED_EQ 2114060288 0',
    'mknod 1 SCMP_CMP_MASKED_EQ 61440 4096',
    'mknodat 2 SCMP_CMP_MASKED_EQ 61440 4096',
    'personality 0 SCMP_CMP_EQ 0',
    'personality 0 SCMP_CMP_EQ 8',
    'personality 0 SCMP_CMP_EQ 131072',
    'personality 0 SCMP_CMP_EQ 131080',
    'personality 0 SCMP_CMP_EQ 4294967295',
    'prlimit64 0 SCMP_CMP_EQ 0',
  ])
})

test('seccompProfile() is the same text each time, and gives a reason for every group', () => {
  expect(seccompProfile()).toEqual(seccompProfile())
  for (const { reason } of [...ABSENT_SYSCALLS, ...ALLOWED_SYSCALLS, ...CONDITIONAL_SYSCALLS])
    expect(reason.length).toBeGreaterThan(20)
})
