/**
 * Which secrets go to which host, and what must be seen for that. A secret travels inside TLS unless
 * its binding says otherwise; without a port it is bound to port 443, and 80 where plain HTTP is
 * permitted. A rule on `secret_read` takes a secret from stages or modes.
 */
import type { SecretBinding } from '../schema/index.ts'
import { evaluate } from './evaluate.ts'
import { matchesHost, patternOf } from './host-pattern.ts'
import type { NetworkList, Permission } from './network.ts'
import type { Policy } from './policy.ts'

/** The secrets a stage may use with a host it reaches, by name. Pure; never throws. */
export function secretsFor(list: NetworkList, permission: Permission): SecretBinding[] {
  const { policy } = list
  if (policy.secrets.length === 0) return []
  return policy.secrets.filter((secret) => isBound(secret, permission) && mayUse(list, secret.name))
}

/** Whether single requests to it must be seen, also inside TLS. Addresses have no certificate. */
export function mustSee(list: NetworkList, permission: Permission): boolean {
  if (permission.host.kind !== 'name') return false
  return permission.requests === 'some' || secretsFor(list, permission).length > 0
}

/** Host names for which the gateway may have to stand in, each with what is below it. */
export function seenNames({ network, secrets }: Policy): string[] {
  const conditional = network.entries.filter(
    ({ methods, paths }) => methods.length > 0 || paths.length > 0,
  )
  const texts = [...conditional.map(({ host }) => host), ...secrets.flatMap(({ hosts }) => hosts)]
  const names = texts.flatMap(patternOf).filter(({ kind }) => kind !== 'ip')
  return [...new Set(names.map(({ host }) => host))].sort()
}

/** Where a secret stands in a request, in lower case. */
export function secretHeader({ as }: Pick<SecretBinding, 'as'>): string {
  return 'header' in as ? as.header.toLowerCase() : 'authorization'
}

function isBound({ hosts, plain_http: plain }: SecretBinding, { host, port }: Permission): boolean {
  return hosts.flatMap(patternOf).some((pattern) => {
    const isUsual = port === 443 || (port === 80 && plain === true)
    if (pattern.port === undefined && !isUsual) return false
    return matchesHost(pattern, { host, port }, 'default_ports')
  })
}

function mayUse({ policy, mode, stage }: NetworkList, name: string): boolean {
  const { decision } = evaluate(policy, {
    capability: 'secret_read',
    resource: { kind: 'name', name },
    mode,
    stage,
    subject: 'egress',
  })
  return decision === 'allow'
}
