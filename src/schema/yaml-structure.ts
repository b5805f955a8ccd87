/** What well-formed YAML may hold and we refuse; runs after `scanYaml` let the text pass. */
import { isCollection, isMap, isScalar, type Node, type ParsedNode, visit } from 'yaml'
import { DEPTH_MAX, type Mark, TOO_DEEP } from './yaml-scan.ts'

const NODES_MAX = 20_000
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype', '<<'])

/** Size, depth, keys that repeat or are no text, numbers that JSON cannot carry. */
export function structureMarks(contents: ParsedNode | null): Mark[] {
  const marks: Mark[] = []
  let nodes = 0
  const refuse = (code: string, message: string, node: Node | undefined) => {
    marks.push({ code, message, offset: node?.range?.[0] ?? 0 })
  }
  visit(contents, {
    Node: (_key, node, path) => {
      nodes += 1
      if (nodes > NODES_MAX) {
        refuse('yaml_too_big', `More than ${NODES_MAX} values`, node)
        return visit.BREAK
      }
      if (isCollection(node) && path.filter(isCollection).length >= DEPTH_MAX) {
        refuse('yaml_too_deep', TOO_DEEP, node)
        return visit.BREAK
      }
      if (isMap(node))
        for (const [code, message, key] of keyProblems(node.items)) refuse(code, message, key)
      if (isScalar(node) && typeof node.value === 'number' && !isExact(node.value))
        refuse(
          'yaml_number',
          `Number ${node.source ?? node.value} is not finite or too large to be exact`,
          node,
        )
      return undefined
    },
  })
  return marks
}

function isExact(value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
}

function* keyProblems(
  items: readonly { key: unknown }[],
): Generator<[code: string, message: string, key: Node | undefined]> {
  const seen = new Set<string>()
  for (const { key } of items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      yield [
        'yaml_key',
        'Keys must be plain text',
        isScalar(key) || isCollection(key) ? key : undefined,
      ]
      continue
    }
    if (FORBIDDEN_KEYS.has(key.value)) yield ['yaml_key', `Key "${key.value}" is not allowed`, key]
    if (seen.has(key.value)) yield ['yaml_duplicate_key', `Key "${key.value}" is given twice`, key]
    seen.add(key.value)
  }
}
