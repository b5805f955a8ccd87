/** File names in the headers of unified diffs: quoting, prefixes, time stamps. */
import { isGitDirectory, parseRepoPath } from '../repo-path.ts'
import { decoded, shown } from './byte-text.ts'
import { type Judged, reject } from './edit.ts'

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  '\\': 92,
}

/** The name after `--- `, `+++ `, `rename from ` …; `undefined` for `/dev/null`. */
export function headerName(text: string): string | undefined {
  const line = text.replace(/\r$/, '')
  const name = line.startsWith('"') ? unquote(line).name : (line.split('\t')[0] ?? '')
  return name === '/dev/null' ? undefined : name
}

/** The two names of a `diff --git` line, where they can be told apart. */
export function gitNames(text: string): { old: string; new: string } | undefined {
  const line = text.replace(/\r$/, '')
  if (line.startsWith('"')) {
    const first = unquote(line)
    const rest = line.slice(first.length + 1)
    return { old: first.name, new: rest.startsWith('"') ? unquote(rest).name : rest }
  }
  if (line.endsWith('"')) {
    const cut = line.indexOf(' "')
    return cut < 0 ? undefined : { old: line.slice(0, cut), new: unquote(line.slice(cut + 1)).name }
  }
  // Unquoted names may hold blanks; without a rename both are the same but for the prefix.
  const half = (line.length - 1) / 2
  const names = { old: line.slice(0, half), new: line.slice(half + 1) }
  const same = names.old === names.new || names.old.slice(1) === names.new.slice(1)
  return Number.isInteger(half) && line[half] === ' ' && same ? names : undefined
}

export interface Names {
  old: string | undefined
  new: string | undefined
}

/** Both orders, since `git diff -R` swaps them. */
const PREFIXES: ReadonlySet<string> = new Set(
  ['ab', 'iw', 'ci', 'cw', 'ow', 'oi', '12'].flatMap((pair) => [pair, `${pair[1]}${pair[0]}`]),
)
const LONE_PREFIXES = 'abiwco12'

/** Takes `a/` and `b/` (or git's mnemonic letters) off, where both sides have them. */
export function withoutPrefixes(names: Names): Names {
  const prefixed = [names.old, names.new].every((name) => name === undefined || name[1] === '/')
  const letters = `${names.old?.[0] ?? ''}${names.new?.[0] ?? ''}`
  const known = letters.length === 1 ? LONE_PREFIXES.includes(letters) : PREFIXES.has(letters)
  if (!prefixed || !known) return names
  return { old: names.old?.slice(2), new: names.new?.slice(2) }
}

/** The canonical repository path of a name in a patch. */
export function patchPath(name: string): Judged<string> {
  const text = decoded(name)
  const path = text === undefined ? undefined : parseRepoPath(text)
  if (path?.ok === true && path.path !== '.') return { ok: true, value: path.path }
  const reason = path?.ok === false ? path.reason : 'is not a file name in UTF-8'
  return reject({
    code: 'unsafe_path',
    message: `The name "${shown(name)}" ${reason}`,
    next_action: isGitDirectory(name)
      ? 'Leave the git directory alone'
      : 'Name files relative to the repository, with "/" and without ".."',
  })
}

/** Undoes git's C-style quoting; `length` counts the quoted form with its quotes. */
function unquote(line: string): { name: string; length: number } {
  let name = ''
  let index = 1
  while (index < line.length && line[index] !== '"') {
    const character = line[index] ?? ''
    if (character !== '\\') {
      name += character
      index += 1
      continue
    }
    const octal = /^[0-3][0-7]{2}/.exec(line.slice(index + 1, index + 4))?.[0]
    const escaped = line[index + 1] ?? ''
    const code = octal === undefined ? ESCAPES[escaped] : Number.parseInt(octal, 8)
    name += code === undefined ? escaped : String.fromCharCode(code)
    index += octal === undefined ? 2 : 4
  }
  return { name, length: index + 1 }
}
