/** The part of the receipt that speaks of the kernel: which one answers, and what it filters. */
import type { ReceiptItem } from '../schema/index.ts'
import { SUPERVISOR_DIRECTORY } from './container-spec.ts'
import type { InsideFacts } from './inside-facts.ts'
import { type ReceiptEvidence, receiptItem } from './receipt-item.ts'

/**
 * gVisor shows neither flag inside: there its own kernel is the boundary, so the receipt wants proof
 * that it is this kernel that answers, and calls soft what only the engine says of the rest.
 */
export function kernelItems({ request, inspect, inside, engine }: ReceiptEvidence): ReceiptItem[] {
  const options = inspect.HostConfig.SecurityOpt
  const { name, profile } = request.confinement.seccomp
  if (request.confinement.isolation === 'gvisor') return gvisorItems(inside, options)
  return [
    receiptItem('no_new_privileges', {
      requested: 'true',
      enforced: String(inside.noNewPrivileges),
      source: 'inside',
      holds: inside.noNewPrivileges,
    }),
    receiptItem('seccomp', {
      requested: '2',
      enforced: String(inside.seccomp ?? 'unknown'),
      source: 'inside',
      holds: inside.seccomp === 2,
    }),
    receiptItem('seccomp_profile', {
      requested: name,
      enforced: options.includes(`seccomp=${profile}`) ? name : 'another profile',
      source: 'inspect',
      holds: options.includes(`seccomp=${profile}`),
    }),
    ...(engine.apparmor
      ? [
          receiptItem('apparmor', {
            requested: 'docker-default',
            enforced: options.find((option) => option.startsWith('apparmor=')) ?? 'none',
            source: 'inspect',
            holds: options.includes('apparmor=docker-default'),
          }),
        ]
      : []),
  ]
}

function gvisorItems(inside: InsideFacts, options: readonly string[]): ReceiptItem[] {
  // Every file comes through gVisor's file server, which only its kernel speaks to.
  const files = inside.mounts.findLast(({ target }) => target === SUPERVISOR_DIRECTORY)?.type
  const isTold = options.includes('no-new-privileges:true')
  const soft = (
    guarantee: string,
    shown: Pick<ReceiptItem, 'requested' | 'enforced' | 'source'>,
  ): ReceiptItem => ({ guarantee, ...shown, status: 'soft' })
  return [
    receiptItem('kernel', {
      requested: 'gvisor',
      enforced: files === '9p' ? 'gvisor' : `another: files come by ${files ?? 'no mount'}`,
      source: 'inside',
      holds: files === '9p',
    }),
    {
      ...soft('no_new_privileges', {
        requested: 'true',
        enforced: `${isTold}; gVisor does not show it`,
        source: 'inspect',
      }),
      status: isTold ? 'soft' : 'missing',
    },
    inside.seccomp === 2
      ? receiptItem('seccomp', { requested: '2', enforced: '2', source: 'inside', holds: true })
      : soft('seccomp', {
          requested: '2',
          enforced: 'left to gVisor: its runtime is set up without --oci-seccomp',
          source: 'inside',
        }),
    soft('supervisor_privacy', {
      requested: 'undumpable',
      enforced: 'gVisor lets its user open what it has open',
      source: 'engine',
    }),
  ]
}
