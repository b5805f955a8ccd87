/**
 * More than was given. The sandbox of the corpus has 128 MiB of memory, 64 processes, 256
 * descriptors, files of 4 MiB at most, and 8 MiB in 100 files below /tmp.
 */
import { type Attempt, kitAttempts } from '../attempt.ts'

const kind = { class: 'resources', control: 'plain' } as const

export const RESOURCE_ATTEMPTS: readonly Attempt[] = [
  ...kitAttempts(
    { ...kind, wall: 'tmpfs' },
    {
      'fill the temporary directory': 'fill /tmp 12',
      'fill the shared memory': 'fill /dev/shm 12',
      'fill the directory of the system for programs that run': 'fill /run 20',
      'use up the inodes': 'files /tmp 500',
    },
  ),
  ...kitAttempts(
    { ...kind, wall: 'ulimit' },
    {
      'open files without end': 'descriptors 600',
      'make a file that looks larger than the disk it is given': 'large-file /workspace 64',
      'dump core': 'core-size',
    },
  ),
  ...kitAttempts(
    { ...kind, wall: 'cgroup' },
    {
      'start processes without end': 'processes 300',
      'take memory without end': 'memory 256',
      'take memory through a file system in memory': 'fill /var/tmp 200',
    },
  ),
]
