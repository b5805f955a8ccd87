/**
 * A request as numbers: hashed words, pairs of words and a few signs of shape. The same function is
 * used for training and for deciding, so a change here needs new weights (`node scripts/train-router.ts`).
 */

import { NO_SIGN, signsOf } from './lexicon.ts'
import { cluesOf } from './rules.ts'

/** Power of two. */
export const BUCKETS = 4096
/** Words of a request that are looked at: what it is about stands at its beginning. */
const WORDS_MAX = 60
const TEXT_MAX = 4000

/** Signs of shape, each a word no text can contain. */
const SIGNS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['?end', /\?\s{0,20}$/],
  ['?any', /\?/],
  ['error', /\b\w{1,60}(?:Error|Exception)\b/],
  ['trace', /\bat .{1,200}:\d+|File ".{1,200}", line \d+/],
  [
    'path',
    /[\w-]{1,80}\/[\w.-]{1,80}|\b\w{1,60}\.(?:ts|js|py|go|rs|java|css|html|md|json|ya?ml)\b/,
  ],
  ['code', /`[^`]{1,200}`|\b\w{1,60}\(\)/],
  ['tag', /^\s{0,5}\[[^\]]{1,30}\]/],
]

/** Buckets of the request, each once, sorted. */
export function featuresOf(text: string): number[] {
  const shown = text.slice(0, TEXT_MAX).trim()
  const words = wordsOf(shown)
  const names = SIGNS.filter(([, pattern]) => pattern.test(shown)).map(([name]) => `=${name}`)
  names.push(`#${Math.min(6, Math.ceil(Math.log2(words.length + 1)))}`)
  const plain = words.map((word) => (/\d/.test(word) ? '0' : word))
  for (const [at, word] of plain.entries()) {
    names.push(word, `${plain[at - 1] ?? '^'} ${word}`)
    if (word.length > 5) names.push(`${word.slice(0, 5)}~`)
  }
  names.push(
    ...signsOf(words),
    ...cluesOf(text.slice(0, TEXT_MAX)).map(({ reason }) => `!${reason}`),
  )
  if (plain[0] !== undefined) names.push(`^${plain[0]}`)
  return [...new Set(names.map(bucketOf))].sort((a, b) => a - b)
}

/** Whether any word is one the router knows; what says nothing known is no request it can judge. */
export function isFamiliar(text: string): boolean {
  return !signsOf(wordsOf(text.slice(0, TEXT_MAX))).includes(NO_SIGN)
}

function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}_']{1,40}/gu) ?? []).slice(0, WORDS_MAX)
}

/** FNV-1a over UTF-16 units. */
function bucketOf(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++)
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}
