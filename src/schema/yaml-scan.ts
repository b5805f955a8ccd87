/**
 * Refuses, from the tokens alone, what the YAML parser must never see: its composer resolves
 * aliases, recurses as deep as the text nests, and needs exponential time for nested `?` keys.
 * The lexer is linear, so a hostile file costs no more here than its size.
 */
import { CST, Lexer } from 'yaml'

/** A complaint about what stands at `offset`, in UTF-16 units of the text. */
export interface Mark {
  code: string
  message: string
  offset: number
}

/** Levels of maps and lists inside each other. */
export const DEPTH_MAX = 32

/** All complaints in the order of the text; empty when the parser may have it. */
export function scanYaml(text: string): Mark[] {
  const characters = characterMarks(text)
  // Control characters are also the lexer's own marks, so nothing after them can be trusted.
  if (characters.length > 0) return characters
  const marks: Mark[] = []
  let offset = 0
  let flowDepth = 0
  let dashes = 0
  let isScalar = false
  for (const token of new Lexer().lex(text)) {
    const type: CST.TokenType | null = isScalar ? 'scalar' : CST.tokenType(token)
    isScalar = type === 'scalar' && token === CST.SCALAR
    if (isScalar || type === 'doc-mode' || type === 'flow-error-end') continue
    if (type === 'newline') dashes = 0
    if (type === 'seq-item-ind') dashes += 1
    if (type === 'flow-map-start' || type === 'flow-seq-start') flowDepth += 1
    if (type === 'flow-map-end' || type === 'flow-seq-end') flowDepth -= 1
    if (flowDepth > DEPTH_MAX || dashes > DEPTH_MAX)
      return [...marks, { code: 'yaml_too_deep', message: TOO_DEEP, offset }]
    // One is an error already, and the parser would collect tens of thousands.
    if (flowDepth < 0)
      return [
        ...marks,
        { code: 'yaml_syntax', message: `Nothing is open before "${token}"`, offset },
      ]
    const refused = type === null ? undefined : REFUSED.get(type)
    if (refused !== undefined) marks.push({ ...refused, offset })
    offset += token.length
  }
  return marks
}

export const TOO_DEEP = `Nested deeper than ${DEPTH_MAX} levels`

const ALIAS = {
  code: 'yaml_alias',
  message: 'Anchors and aliases are not allowed: write the value out',
}
const REFUSED = new Map<CST.TokenType, Omit<Mark, 'offset'>>([
  ['alias', ALIAS],
  ['anchor', ALIAS],
  ['tag', { code: 'yaml_tag', message: 'Tags are not allowed: quote the value to make it text' }],
  [
    'explicit-key-ind',
    { code: 'yaml_key', message: 'Keys with "?" are not allowed: write key: value' },
  ],
  [
    'directive-line',
    { code: 'yaml_directive', message: 'Directives are not allowed: YAML is 1.2' },
  ],
])

/** Control characters and lone carriage returns; and what lets a line show other than it reads. */
function characterMarks(text: string): Mark[] {
  const marks: Mark[] = []
  for (const match of text.matchAll(/[^\P{Cc}\t\n\r]|\r(?!\n)|\p{Bidi_Control}|\p{Cs}/gu)) {
    const hex = match[0].charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()
    const message = `Character U+${hex} is not allowed: write it as "\\u${hex}" in double quotes`
    marks.push({ code: 'yaml_character', message, offset: match.index })
  }
  return marks
}
