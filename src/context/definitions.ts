/** Where things are defined, seen by the shape of a line: good enough for ranking and for slices. */

export interface Definition {
  name: string
  /** From 1 */
  line: number
  /** Last line, where it is known. */
  end: number | undefined
}

/** Lines longer than this are data or minified code. */
const LINE_MAX = 400
const DEFINITIONS_MAX = 5000

const MODIFIERS =
  '(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|override|declare|pub(?:\\([a-z]+\\))?|unsafe|virtual|inline)\\s+)*'

const PATTERNS = [
  new RegExp(
    `^${MODIFIERS}(?:function\\*?|class|interface|type|enum|struct|trait|impl|fn|def|func|module|namespace|object|record|protocol)\\s+(?:\\([^)]{0,100}\\)\\s*)?([\\p{L}_$][\\p{L}\\p{N}_$]*)`,
    'u',
  ),
  new RegExp(`^${MODIFIERS}(?:const|let|var|val)\\s+([\\p{L}_$][\\p{L}\\p{N}_$]*)\\s*[:=]`, 'u'),
  // A method: a name, its parameters, an opening brace at the end of the line.
  new RegExp(`^${MODIFIERS}([\\p{L}_$][\\p{L}\\p{N}_$]*)\\([^;]{0,200}\\)[^;=]{0,80}\\{$`, 'u'),
]

const NOT_NAMES = new Set(['if', 'for', 'while', 'switch', 'catch', 'return', 'else', 'do', 'with'])

export function definitionsOf(lines: readonly string[]): Definition[] {
  const found: Definition[] = []
  for (const [index, line] of lines.entries()) {
    if (line.length > LINE_MAX) continue
    const text = line.trim()
    const name = nameOf(text)
    if (name === undefined) continue
    found.push({ name, line: index + 1, end: undefined })
    if (found.length >= DEFINITIONS_MAX) break
  }
  return found
}

function nameOf(text: string): string | undefined {
  for (const pattern of PATTERNS) {
    const name = pattern.exec(text)?.[1]
    if (name !== undefined && !NOT_NAMES.has(name)) return name
  }
  return undefined
}
