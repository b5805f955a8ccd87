/**
 * Whether a command that failed speaks as one does that looked for a network where there is none. Its
 * words are its own and may be anything, so they lead to a hint and to nothing else.
 */

/** As resolvers, C libraries and the usual clients say it. */
const WORDS: readonly RegExp[] = [
  /could not resolve host/i,
  /couldn't resolve host/i,
  /temporary failure (?:in name resolution|resolving)/i,
  /name or service not known/i,
  /nodename nor servname/i,
  /no address associated with hostname/i,
  /unable to resolve host/i,
  /\bE(?:NETUNREACH|AI_AGAIN|NOTFOUND)\b/,
  /network is unreachable/i,
  /UnknownHostException/,
  /dial (?:tcp|udp)[^\n]*(?:no such host|unreachable|connection refused)/i,
]
/** Characters looked at, from the end of each stream. */
const LOOKED_MAX = 8 * 1024

export function soundsOffline(tails: readonly string[]): boolean {
  return tails.some((tail) => {
    const text = tail.slice(-LOOKED_MAX)
    return WORDS.some((words) => words.test(text))
  })
}
