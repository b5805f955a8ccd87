/** What counts as the address of a repository: https and ssh, and nothing that git could take for an option. */
import { OpenExecError } from './errors.ts'

export interface RepoUrl {
  scheme: 'https' | 'ssh'
  /** Lower case, without a dot at the end; an IPv6 address without brackets. */
  host: string
  port: number
  /** Account on an ssh server; `git` unless named. */
  user: string | undefined
  /** Begins with a slash. */
  path: string
  /** The one spelling of it. */
  text: string
}

const PORTS = { https: 443, ssh: 22 } as const
const SCP = /^([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@([A-Za-z0-9_.-]{1,253}):(?!\/\/)([^\s]+)$/
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/
const HOST = /^(?!-)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$|^[0-9a-f:.]+$/
/** Percent signs would be decoded by git; it needs none of the other characters that are left out. */
const PATH = /^\/(?![-/])[A-Za-z0-9_.~+@,=/-]{1,1024}$/

/** Whether a text is meant as an address and not as a path of this machine. */
export function looksLikeUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:(?:\/\/|:)/i.test(text) || SCP.test(text)
}

/** Throws `bad_request` with what would be right. */
export function parseRepoUrl(text: string): RepoUrl {
  const scp = SCP.exec(text)
  const full = scp === null ? text : `ssh://${scp[1]}@${scp[2]}/${scp[3]?.replace(/^\//, '')}`
  // The parser would drop or decode some of these.
  if (/[\s\\%\p{C}]/u.test(text)) throw wrong(text, 'it has characters that are not taken')
  if (full.length > 2048 || !URL.canParse(full)) throw wrong(text, 'malformed')
  const url = new URL(full)
  const scheme = url.protocol.slice(0, -1)
  if (scheme !== 'https' && scheme !== 'ssh') throw wrong(text, `"${scheme}" is not taken`)
  if (url.password !== '' || (scheme === 'https' && url.username !== ''))
    throw wrong(text, 'names and passwords are not taken in it')
  if (url.search !== '' || url.hash !== '') throw wrong(text, 'it has a query or a fragment')
  const user = scheme === 'ssh' ? url.username || 'git' : undefined
  if (user !== undefined && !USER.test(user)) throw wrong(text, 'the account is malformed')
  if (!PATH.test(url.pathname) || url.pathname.split('/').includes('..'))
    throw wrong(text, 'the path is malformed')
  return spelled({ scheme, host: hostOf(url, text), user, url })
}

function hostOf({ hostname }: URL, text: string): string {
  // Of a scheme the parser does not know it keeps the host as it was written.
  const host = hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  if (HOST.test(host)) return host
  throw wrong(text, 'the host is malformed')
}

function spelled({
  scheme,
  host,
  user,
  url,
}: Pick<RepoUrl, 'scheme' | 'host' | 'user'> & { url: URL }): RepoUrl {
  const port = url.port === '' ? PORTS[scheme] : Number(url.port)
  const shown = host.includes(':') ? `[${host}]` : host
  const at = user === undefined ? shown : `${user}@${shown}`
  const place = port === PORTS[scheme] ? at : `${at}:${port}`
  const path = url.pathname.replace(/\/+$/, '')
  return { scheme, host, port, user, path, text: `${scheme}://${place}${path}` }
}

function wrong(text: string, why: string): OpenExecError {
  const shown = text.slice(0, 200).replace(/\/\/[^/@\s]*@/, '//…@')
  return new OpenExecError('bad_request', `Cannot use repository "${shown}": ${why}`, {
    hint: 'Expected https://HOST/PATH, ssh://HOST/PATH or git@HOST:PATH; credentials belong into the configuration of whoever fetches it',
    details: { field: 'repo.url' },
  })
}
