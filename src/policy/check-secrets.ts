import type { OperatorSecret, PolicyFile, SecretEntry } from '../schema/index.ts'
import { secretHeader } from './bound-secrets.ts'
import { checkHosts, type Complaint } from './complaint.ts'
import { type HostPattern, patternOf, permitsAll } from './host-pattern.ts'

/** A header's name after RFC 9110. */
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
/** Those that say where a request goes and where it ends. */
const NOT_FOR_SECRETS =
  /^(?:host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*)$/i
// A line break would let a format add headers of its own.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\uffff]/

type Complain = (code: string, message: string, field: string) => Complaint

export function checkSecrets({ secrets = [], network }: PolicyFile): Complaint[] {
  const listed = (network?.allow ?? []).flatMap((entry) =>
    patternOf(typeof entry === 'string' ? entry : entry.host),
  )
  // Hosts of presets are not known yet.
  const outer = (network?.presets ?? []).length > 0 ? undefined : listed
  return secrets.flatMap((secret, i) => {
    const path = ['secrets', i]
    const complain: Complain = (code, message, field) => ({
      code,
      message: `Secret "${secret.name}": ${message}`,
      path: [...path, field],
    })
    const twice = secrets.findIndex(({ name }) => name === secret.name) !== i
    return [
      ...(twice ? [complain('duplicate_secret', 'the name is used twice', 'name')] : []),
      ...(secret.from === 'operator'
        ? checkNamed(secret, complain)
        : [
            ...checkHosts(secret.hosts ?? [], [...path, 'hosts']),
            ...checkSource(secret, complain),
            ...checkBound(secret, outer, complain),
            ...checkUse(secret, complain),
            ...checkOverlap(secrets.slice(0, i), secret, complain),
          ]),
    ]
  })
}

/** One of the operator's configuration, which is read without a policy around it. */
export function checkOperatorSecret(secret: OperatorSecret): string[] {
  const { name } = secret
  const complain: Complain = (code, message) => ({ code, message, path: [] })
  return [
    ...checkHosts(secret.hosts, []),
    ...checkSource(secret, complain),
    ...checkBound(secret, undefined, complain),
    ...checkUse(secret, complain),
  ].map(({ message }) => `Secret "${name}": ${message}`)
}

function checkNamed({ hosts, as, source, plain_http: plain }: SecretEntry, complain: Complain) {
  if ([hosts, as, source, plain].every((part) => part === undefined)) return []
  const why = '"from: operator" takes hosts, use and source from the operator\'s configuration'
  return [complain('secret_of_operator', `${why}; leave them out here`, 'from')]
}

function checkSource({ from, source }: SecretEntry, complain: Complain): Complaint[] {
  const say = (message: string) => [complain('bad_source', message, 'source')]
  if (from === 'env') {
    if (source === undefined) return []
    const isName = typeof source === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(source)
    return isName ? [] : say('"from: env" takes the name of a variable as its source')
  }
  if (source === undefined)
    return [complain('missing_source', `"from: ${from}" needs a source`, 'from')]
  if (from === 'file')
    return typeof source === 'string' && source.startsWith('/')
      ? []
      : say('"from: file" takes the absolute path of a file as its source')
  return Array.isArray(source)
    ? []
    : say(
        '"from: command" takes the program and its arguments as a list, [pass, show, token]; no shell reads them',
      )
}

function checkBound(
  { hosts, as }: SecretEntry,
  listed: readonly HostPattern[] | undefined,
  complain: Complain,
): Complaint[] {
  const missing = [
    ...(hosts === undefined
      ? [complain('missing_hosts', 'name the hosts it goes to', 'name')]
      : []),
    ...(as === undefined
      ? [complain('missing_use', 'say how it stands in a request, with "as"', 'name')]
      : []),
  ]
  const wrong = (hosts ?? []).flatMap(patternOf).flatMap((pattern) => {
    const { kind, text } = pattern
    if (kind === 'ip')
      return [
        complain('secret_address', `"${text}" is an address; bind it to the host's name`, 'hosts'),
      ]
    if (listed === undefined || listed.some((outer) => overlaps(outer, pattern))) return []
    const why = `"${text}" is not in network.allow, so nothing can be sent there; add it`
    return [complain('secret_host_unlisted', why, 'hosts')]
  })
  return [...missing, ...wrong]
}

function checkUse({ as }: SecretEntry, complain: Complain): Complaint[] {
  if (as === undefined) return []
  const say = (code: string, message: string) => [complain(code, message, 'as')]
  if (!('header' in as)) {
    const { user } = as.basic
    return user.includes(':') || CONTROL.test(user)
      ? say('bad_user', 'the user of basic authentication holds a colon or no plain character')
      : []
  }
  const { header, format } = as
  return [
    ...(HEADER.test(header) ? [] : say('bad_header', `"${header}" is not a header name`)),
    ...(NOT_FOR_SECRETS.test(header)
      ? say('bad_header', `header "${header}" says where a request goes, and holds no secret`)
      : []),
    ...(format === undefined || format.split('{}').length === 2
      ? []
      : say('bad_format', `format "${format}" must hold {} once, where the secret goes`)),
    ...(format !== undefined && CONTROL.test(format)
      ? say('bad_format', 'format holds a control character')
      : []),
  ]
}

/** Two in one header of one host: nobody could tell which is meant. */
function checkOverlap(
  before: readonly SecretEntry[],
  secret: SecretEntry,
  complain: Complain,
): Complaint[] {
  const own = (secret.hosts ?? []).flatMap(patternOf)
  const rival = before.find(
    (other) =>
      headerOf(other) !== undefined &&
      headerOf(other) === headerOf(secret) &&
      (other.hosts ?? []).flatMap(patternOf).some((one) => own.some((two) => overlaps(one, two))),
  )
  if (rival === undefined) return []
  const why = `"${rival.name}" stands in the same header of the same host; bind one of them`
  return [complain('secret_overlap', why, 'hosts')]
}

function headerOf({ as }: SecretEntry): string | undefined {
  return as === undefined ? undefined : secretHeader({ as })
}

function overlaps(one: HostPattern, other: HostPattern): boolean {
  if (one.port !== undefined && other.port !== undefined && one.port !== other.port) return false
  const [a, b] = [one, other].map((each): HostPattern => ({ ...each, port: undefined }))
  if (a === undefined || b === undefined) return false
  return permitsAll(a, b) || permitsAll(b, a)
}
