/** `host:port` as requests spell it. What is not exactly that is nothing. */

export interface Authority {
  /** As written; without brackets for IPv6. */
  host: string
  port: number
}

/** `undefined` for users, paths, spaces, controls, empty hosts and ports that do not exist. */
export function readAuthority(
  text: string,
  portDefault: number | undefined,
): Authority | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,64})\]|([^\s:@/\\?#[\]%]{1,256}))(?::(\d{1,5}))?$/.exec(
    text,
  )
  if (match === null) return undefined
  const host = match[1] ?? match[2]
  const port = match[3] === undefined ? portDefault : Number(match[3])
  if (host === undefined || port === undefined || port < 1 || port > 65_535) return undefined
  return { host, port }
}

/** The authority and the rest of `http://authority/path?query`; nothing for any other form. */
export function readAbsolute(url: string): { authority: Authority; target: string } | undefined {
  const match = /^http:\/\/([^/?#]*)([/?][^#]*)?$/i.exec(url)
  if (match === null) return undefined
  const authority = readAuthority(match[1] ?? '', 80)
  if (authority === undefined) return undefined
  const rest = match[2] ?? '/'
  return { authority, target: rest.startsWith('?') ? `/${rest}` : rest }
}
