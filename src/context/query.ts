/** What a task text asks for: terms, names written as in code, files and lines it points at. */
import { termsOf } from './terms.ts'

export interface Query {
  /** In the order of their first place, each once. */
  terms: readonly string[]
  /** Words as they are written, in lower case, such as names of files have. */
  words: ReadonlySet<string>
  /** Names that look like code: mixed case, underscores, calls, or in backticks. */
  identifiers: ReadonlySet<string>
  /** Paths in stack traces and elsewhere, with the line where one is given. */
  places: readonly { path: string; line: number | undefined }[]
}

const QUERY_MAX = 64 * 1024
const PLACES_MAX = 200
const TERMS_MAX = 256

export function parseQuery(text: string): Query {
  const query = text.slice(0, QUERY_MAX)
  return {
    terms: [...termsOf(query).keys()].slice(0, TERMS_MAX),
    words: new Set(query.toLowerCase().match(/[a-z0-9_][a-z0-9_-]{2,80}/g) ?? []),
    identifiers: new Set([...codeNames(query), ...quotedNames(query)]),
    places: placesOf(query),
  }
}

function codeNames(text: string): string[] {
  const words = text.match(/[A-Za-z_$][A-Za-z0-9_$]*\(?/g) ?? []
  return words
    .filter((word) => /[a-z][A-Z]|[A-Za-z]_[A-Za-z]|\($/.test(word))
    .map((word) => word.replace(/\($/, ''))
    .filter((word) => word.length > 2)
}

function quotedNames(text: string): string[] {
  const quoted = text.match(/[`'"][A-Za-z_$][A-Za-z0-9_$]{2,60}[`'"]/g) ?? []
  return quoted.map((name) => name.slice(1, -1))
}

/** `src/a.ts:12:3`, `File "a.py", line 12`, `at f (/x/src/a.ts:12:3)`, `src/a.ts`. */
function placesOf(text: string): Query['places'] {
  const places: { path: string; line: number | undefined }[] = []
  const pattern =
    /([A-Za-z0-9_@.\-/\\]{1,300}\.[A-Za-z][A-Za-z0-9]{0,9})(?:"?, line (\d{1,7})|[:(](\d{1,7}))?/g
  for (const [, path = '', afterWord, afterColon] of text.matchAll(pattern)) {
    if (places.length >= PLACES_MAX) break
    const line = Number(afterWord ?? afterColon)
    places.push({
      path: path.replaceAll('\\', '/').replace(/^(\.\/)+/, ''),
      line: Number.isInteger(line) && line > 0 ? line : undefined,
    })
  }
  return places
}

/** Whether a path of the repository is the one a text names, whole or from some directory on. */
export function isNamed(file: string, named: string): boolean {
  return (
    file === named || named.endsWith(`/${file}`) || (file.endsWith(`/${named}`) && named !== '')
  )
}
