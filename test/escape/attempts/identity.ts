/** Programs that make somebody else of whoever runs them. The arena plants them as root. */
import { type Attempt, attempts } from '../attempt.ts'

const kind = { class: 'identity', control: 'user', wall: 'no_new_privileges' } as const
const planted = (program: string) => `{ test -x ${program} || ! echo ABSENT; } && `

export const IDENTITY_ATTEMPTS: readonly Attempt[] = attempts(kind, {
  'become root by a set-user-id program': `${planted('/workspace/set-uid')} test "$(/workspace/set-uid -u)" = 0`,
  'become a group by a set-group-id program': `${planted('/workspace/set-gid')} test "$(/workspace/set-gid -g)" = 0`,
  'gain a capability by a program that has one': `${planted('/workspace/capable')} /workspace/capable socket 2 3 1 | grep -q ESCAPED`,
})
