/**
 * Text as search terms: identifiers are taken apart at case changes, digits and underscores, lowered
 * and brought to a stem, so that `parseJSONFile`, `parse_json_file` and "parsing JSON files" meet.
 */

const TERM_MIN = 2
const TERM_MAX = 40

/** Words that stand everywhere and so say nothing. */
const STOP = new Set(
  'the a an and or of to in on for is are was be it its this that with as by at from not no if then else when we you i he they do does can should would will have has had there which what how but so into out up use using used get set new'.split(
    ' ',
  ),
)

/** How often each identifier or word stands in a text, as it is written. */
export function countIdentifiers(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  const { length } = text
  for (let at = 0; at < length;) {
    if (!isLetter(text.charCodeAt(at))) {
      at += 1
      continue
    }
    let end = at + 1
    while (end < length && isLetterOrDigit(text.charCodeAt(end))) end += 1
    const identifier = text.slice(at, end)
    counts.set(identifier, (counts.get(identifier) ?? 0) + 1)
    at = end
  }
  return counts
}

/** Everything beyond ASCII counts as a letter; what is none of a word is dropped by its parts. */
function isLetter(code: number): boolean {
  return (code | 32) >= 97 && (code | 32) <= 122
    ? code < 128
    : code === 95 || code === 36 || code > 127
}

function isLetterOrDigit(code: number): boolean {
  return isLetter(code) || (code >= 48 && code <= 57)
}

const ASCII_PARTS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+/g
const UNICODE_PARTS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{Lo}+|\p{N}+/gu

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false
  return true
}

/** The terms of one identifier. */
export function termsOfIdentifier(identifier: string): string[] {
  const pattern = isAscii(identifier) ? ASCII_PARTS : UNICODE_PARTS
  const parts = identifier.slice(0, 200).match(pattern) ?? []
  return parts.map((part) => stem(part.toLowerCase())).filter(isTerm)
}

/** How often each term stands in a text. */
export function termsOf(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [identifier, count] of countIdentifiers(text))
    for (const term of termsOfIdentifier(identifier))
      counts.set(term, (counts.get(term) ?? 0) + count)
  return counts
}

function isTerm(term: string): boolean {
  return term.length >= TERM_MIN && term.length <= TERM_MAX && !STOP.has(term)
}

/** Endings that most often part words of one meaning; crude, and the same every time. */
const ENDINGS = [
  'ations',
  'ation',
  'ings',
  'ing',
  'ies',
  'ers',
  'er',
  'ed',
  'es',
  's',
  'ly',
  'ment',
]

function stem(word: string): string {
  for (const ending of ENDINGS) {
    if (!word.endsWith(ending) || word.length - ending.length < 3) continue
    if (ending === 's' && word.endsWith('ss')) return word
    return ending === 'ies' ? `${word.slice(0, -3)}y` : undoubled(word.slice(0, -ending.length))
  }
  return word.endsWith('e') && word.length > 4 ? word.slice(0, -1) : word
}

function undoubled(word: string): string {
  return /([bdgmnprt])\1$/.test(word) ? word.slice(0, -1) : word
}
