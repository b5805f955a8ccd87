/** The first process is the wall's own watchman, and runs as the same user. */
import { type Attempt, attempts, kitAttempts, reads, writes } from '../attempt.ts'

const user = { class: 'supervisor', control: 'user', wall: 'undumpable' } as const
const careless = { class: 'supervisor', control: 'careless', wall: 'seccomp' } as const

export const SUPERVISOR_ATTEMPTS: readonly Attempt[] = [
  ...attempts(user, {
    'list what the first process has open': 'ls /proc/1/fd/ >/dev/null 2>&1',
    'speak through the output of the first process': 'test -w /proc/1/fd/1',
    'listen at the input of the first process': 'test -r /proc/1/fd/0',
    'read where the first process stands': 'readlink /proc/1/cwd >/dev/null',
    'read which program the first process is': 'readlink /proc/1/exe >/dev/null',
    'reach the root of the first process': 'ls /proc/1/root/ >/dev/null 2>&1',
  }),
  ...reads(user, ['/proc/1/environ', '/proc/1/auxv', '/proc/1/maps']),
  ...writes(user, ['/proc/1/mem', '/proc/1/oom_score_adj']),
  ...kitAttempts(
    { ...user, wall: 'seccomp' },
    {
      'trace the first process': 'trace-pid 1',
      'change the limits of the first process': 'limit-pid 1',
    },
  ),
  ...kitAttempts(careless, {
    'read the memory of the first process': 'read-pid 1',
    'take a descriptor of the first process': 'steal-pid 1',
  }),
]
