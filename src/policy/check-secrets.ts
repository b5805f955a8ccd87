import type { SecretBinding } from '../schema/index.ts'
import { checkHosts, type Complaint } from './complaint.ts'

/** A header's name after RFC 9110. */
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

export function checkSecrets(secrets: readonly SecretBinding[]): Complaint[] {
  return secrets.flatMap((secret, i) => {
    const path = ['secrets', i]
    const complain = (code: string, message: string, field: string): Complaint => ({
      code,
      message: `Secret "${secret.name}": ${message}`,
      path: [...path, field],
    })
    const complaints = checkHosts(secret.hosts, [...path, 'hosts'])
    if (secrets.findIndex(({ name }) => name === secret.name) !== i)
      complaints.push(complain('duplicate_secret', 'the name is used twice', 'name'))
    if (secret.from !== 'env' && secret.source === undefined)
      complaints.push(complain('missing_source', `"from: ${secret.from}" needs a source`, 'from'))
    if (!('header' in secret.as)) return complaints
    const { header, format } = secret.as
    if (!HEADER.test(header))
      complaints.push(complain('bad_header', `"${header}" is not a header name`, 'as'))
    if (format !== undefined && format.split('{}').length !== 2)
      complaints.push(
        complain('bad_format', `format "${format}" must hold {} once, where the secret goes`, 'as'),
      )
    // A line break would let a format add headers of its own.
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    if (format !== undefined && /[\u0000-\u001f\u007f]/.test(format))
      complaints.push(complain('bad_format', 'format holds a control character', 'as'))
    return complaints
  })
}
