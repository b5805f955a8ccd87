import type { Permission } from '../../policy/index.ts'
import type { SecretBinding } from '../../schema/index.ts'
import type { Refusal } from './way-out.ts'

interface Misplaced {
  name: string
  bound: readonly SecretBinding[]
  usable: readonly SecretBinding[]
  /** Where in the request the placeholder stands. */
  where: string
}

/** Why a request with a placeholder in it is not sent. The name is told, the value never. */
export function misplaced(
  { host, port }: Permission,
  { name, bound, usable, where }: Misplaced,
): { ok: false; refusal: Refusal } {
  const told = { outcome: 'denied', status: 403, host: host.host, port } as const
  const binding = bound.find((each) => each.name === name)
  if (binding === undefined)
    return {
      ok: false,
      refusal: {
        ...told,
        rule: 'builtin:secret-elsewhere',
        reason: `The request carries the placeholder of secret "${name}", which is not bound to this host`,
        remedy: '',
      },
    }
  if (!usable.includes(binding))
    return {
      ok: false,
      refusal: {
        ...told,
        rule: 'builtin:secret-plain',
        reason: `Secret "${name}" goes to this host inside TLS only`,
        remedy: 'Use https, or set "plain_http: true" on the secret',
      },
    }
  const wanted = 'header' in binding.as ? `header ${binding.as.header}` : 'basic authentication'
  return {
    ok: false,
    refusal: {
      ...told,
      rule: 'builtin:secret-placement',
      reason: `The placeholder of secret "${name}" stands in ${where}; its binding says ${wanted}`,
      remedy: 'Leave it out: the gateway adds the secret by itself; or change "as" of the secret',
    },
  }
}
