/**
 * Where the values of a run's secrets may come from. Who runs the program may name variables, files
 * and commands of the machine; a request that came over the network names only what the operator
 * declared for its tenant.
 */
import {
  DEFAULT_TENANT,
  OpenExecError,
  type OperatorSecret,
  type SecretBinding,
} from '../schema/index.ts'
import { checkOperatorSecret } from './check-secrets.ts'
import type { Policy } from './policy.ts'

export interface SecretGrant {
  /** `secrets:` of the operator's configuration. */
  declared: readonly OperatorSecret[]
  tenant: string
  /** Refuses everything that is not declared. */
  declaredOnly: boolean
}

/**
 * The policy with the operator's bindings in it. Throws `policy_denied`, naming the secret, for one
 * that may not be used.
 */
export function expandSecrets(policy: Policy, grant: SecretGrant): Policy {
  const { secrets, operatorSecrets = [], ...rest } = policy
  const own = secrets.find(({ from }) => from !== 'operator')
  if (own !== undefined && grant.declaredOnly)
    throw new OpenExecError(
      'policy_denied',
      `Cannot use secret "${own.name}": a request over the network names no variable, file or command of the server (from: ${own.from})`,
      { hint: `Ask the operator to declare it, and write { name: ${own.name}, from: operator }` },
    )
  const bound = operatorSecrets.map((name) => declaredBinding(name, grant))
  return { ...rest, secrets: [...secrets, ...bound].sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

/** The declaration a tenant may use; one for others is as good as none. Throws `policy_denied`. */
export function declaredSecret(
  name: string,
  { declared, tenant }: Omit<SecretGrant, 'declaredOnly'>,
): OperatorSecret {
  const found = declared.find((secret) => {
    const { tenants } = secret
    if (secret.name !== name) return false
    if (tenants === undefined) return tenant === DEFAULT_TENANT
    return tenants.includes(tenant) || tenants.includes('*')
  })
  if (found !== undefined) return usable(found)
  throw new OpenExecError(
    'policy_denied',
    `Cannot use secret "${name}": the operator has declared none of that name for tenant "${tenant}"`,
    { hint: 'Secrets are declared under "secrets:" in the operator\'s configuration' },
  )
}

function usable(secret: OperatorSecret): OperatorSecret {
  const [first] = checkOperatorSecret(secret)
  if (first === undefined) return secret
  throw new OpenExecError('config_invalid', `Cannot use the operator's configuration: ${first}`, {
    hint: 'Correct "secrets:" in the configuration of OpenExec',
  })
}

function declaredBinding(name: string, grant: SecretGrant): SecretBinding {
  const { tenants: _tenants, source: _source, ...binding } = declaredSecret(name, grant)
  return { ...binding, from: 'operator' }
}
