import { createHash } from 'node:crypto'
import type { Confinement } from '../schema/index.ts'
import {
  ABSENT_SYSCALLS,
  ALLOWED_SYSCALLS,
  CONDITIONAL_SYSCALLS,
  type ConditionalSyscall,
} from './seccomp-table.ts'

const EPERM = 1
const ENOSYS = 38

/** The syscall table as the JSON text that engines take, with the digest of that text. */
export function seccompProfile(): Confinement['seccomp'] {
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    archMap: [
      {
        architecture: 'SCMP_ARCH_X86_64',
        subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
      },
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
    ],
    syscalls: [
      // First: an unconditional rule keeps later conditional ones of the same call from opening it.
      ...ABSENT_SYSCALLS.map(({ syscalls }) => ({
        names: syscalls,
        action: 'SCMP_ACT_ERRNO',
        errnoRet: ENOSYS,
      })),
      ...ALLOWED_SYSCALLS.map(({ syscalls }) => ({ names: syscalls, action: 'SCMP_ACT_ALLOW' })),
      ...CONDITIONAL_SYSCALLS.flatMap(conditionalRules),
    ],
  })
  const digest = createHash('sha256').update(profile).digest('hex')
  return { name: 'openexec-strict', digest, profile }
}

/** One rule per value: several comparisons of one argument in one rule mean different things to different engines. */
function conditionalRules({ syscalls, argument, mask, values }: ConditionalSyscall) {
  return values.map((value) => ({
    names: syscalls,
    action: 'SCMP_ACT_ALLOW',
    args: [
      mask === undefined
        ? { index: argument, value, op: 'SCMP_CMP_EQ' }
        : { index: argument, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' },
    ],
  }))
}
