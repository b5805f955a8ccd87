/** What a default container lets its root do, and what people add to it. */
import { type Attempt, attempts, kitAttempts } from '../attempt.ts'

const plain = { class: 'capabilities', control: 'plain', wall: 'capabilities' } as const
const careless = { class: 'capabilities', control: 'careless', wall: 'capabilities' } as const

export const CAPABILITY_ATTEMPTS: readonly Attempt[] = [
  ...attempts(plain, {
    'give a file to somebody else': 'touch /workspace/given && chown 12345 /workspace/given',
    'change the root directory': 'chroot / /bin/true',
    'take another user id': "perl -e '$< = $> = 12345; exit($> == 12345 ? 0 : 1)'",
    'take another group id': "perl -e '$( = $) = 12345; exit($) == 12345 ? 0 : 1)'",
    'leave the groups it is in': `perl -e '$) = "12345 54321"; exit($) =~ /54321/ ? 0 : 1)'`,
    'read a file that only root may read': 'head -c 1 /etc/shadow >/dev/null',
    'give a program a capability':
      'cp /workspace/kit /workspace/gifted && /workspace/kit give-capability /workspace/gifted',
  }),
  ...kitAttempts(careless, {
    'open a file by its handle, past every directory': 'open-by-handle',
    'run before everything else': 'priority',
    'set the clock': 'adjtimex',
    'name the host': 'sethostname',
    'read the log of the kernel': 'syslog',
    'hang up the terminal': 'vhangup',
    'switch process accounting': 'acct',
    'switch quotas': 'quotactl',
    'set an interface': 'set-interface',
    'lock 16 MiB of memory': 'lock-memory 16',
  }),
]
