/**
 * The one door for YAML that people write: blueprints, policies, configuration, model scripts.
 *
 * Strict on purpose: no aliases, no merge keys, no duplicate keys, no tags, no directives, bounded
 * size and depth. Every complaint carries file:line:column of the value it is about.
 */
import { isNode, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { type ErrorCode, OpenExecError } from './errors.ts'
import { type Finding, findingsError } from './finding.ts'
import { issueFindings } from './yaml-issues.ts'
import { type Mark, scanYaml } from './yaml-scan.ts'
import { structureMarks } from './yaml-structure.ts'

export { type Finding, findingsError }

/** Bytes */
export const YAML_BYTES_MAX = 65_536

export interface YamlSource {
  /** As shown to the user. */
  file: string
  text: string
}

export interface ParsedYaml<T> {
  value: T
  /** Where a value stands; the nearest parent when the path itself is absent. */
  locate(path: readonly PropertyKey[]): { line: number; column: number }
}

/**
 * Reads `source` as `schema`. Throws `code` with every finding, each as `file:line:column: message`.
 */
export function parseYaml<Schema extends z.ZodType>(
  source: YamlSource,
  schema: Schema,
  code: ErrorCode,
): ParsedYaml<z.output<Schema>> {
  if (Buffer.byteLength(source.text) > YAML_BYTES_MAX)
    throw new OpenExecError(
      code,
      `Cannot read "${source.file}": it is larger than ${YAML_BYTES_MAX} bytes`,
    )
  // A byte order mark takes no column.
  const text = source.text.replace(/^\uFEFF/, '')
  const at = placesIn(text)
  const refuse = (findings: Finding[]) => {
    if (findings.length > 0) throw findingsError(source.file, findings, code)
  }
  const asFinding = ({ offset, ...mark }: Mark): Finding => ({ ...mark, path: [], ...at(offset) })

  refuse(scanYaml(text).map(asFinding))
  const document = parseDocument(text, PARSE_OPTIONS)
  refuse(
    [...document.errors, ...document.warnings].map((error) =>
      asFinding({ code: 'yaml_syntax', message: wordsOf(error), offset: error.pos[0] }),
    ),
  )
  refuse(structureMarks(document.contents).map(asFinding))

  const locate = (path: readonly PropertyKey[]) => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      if (isNode(node) && node.range) return at(node.range[0])
    }
    return at(document.contents?.range[0] ?? 0)
  }
  const value: unknown = document.toJS({ maxAliasCount: 0 })
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data, locate }
  const context = { document, value, schema, at, locate }
  throw findingsError(source.file, issueFindings(parsed.error, context), code)
}

function wordsOf({ code, message }: { code: string; message: string }): string {
  return code === 'MULTIPLE_DOCS' ? 'A file holds one document: nothing may follow "---"' : message
}

const PARSE_OPTIONS = {
  version: '1.2',
  schema: 'core',
  resolveKnownTags: false,
  merge: false,
  strict: true,
  prettyErrors: false,
  // The library compares each key with all before it; structureMarks() does it in linear time.
  uniqueKeys: false,
} as const

function placesIn(text: string) {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let next = text.indexOf('\n'); next >= 0; next = text.indexOf('\n', next + 1))
    lines.addNewLine(next + 1)
  return (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}
