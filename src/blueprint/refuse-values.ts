import { createRedactor } from '../events/index.ts'
import { OpenExecError, type RunRequest } from '../schema/index.ts'
import type { SecretValue } from './secret-values.ts'

/**
 * A request is stored as it is, and its command runs inside: a secret in it would be in both. Throws
 * `bad_request`, naming the secret.
 */
export function refuseValues(request: RunRequest, secrets: readonly SecretValue[]): void {
  const text = JSON.stringify(request)
  const named = secrets.find((secret) => createRedactor([secret]).text(text) !== text)
  if (named === undefined) return
  throw new OpenExecError(
    'bad_request',
    `Cannot start the run: the value of secret "${named.name}" stands in its request`,
    {
      hint: `Leave it out, the gateway adds it; or write $OPENEXEC_SECRET_${named.name} inside the sandbox`,
    },
  )
}
