/** What a zod schema finds wrong with a YAML document, in words about that document. */
import { type Document, isMap, isNode, isScalar } from 'yaml'
import { z } from 'zod'
import type { Finding } from './finding.ts'

type Path = readonly PropertyKey[]
type Place = { line: number; column: number }

export interface IssueContext {
  document: Document.Parsed
  /** What the document holds. */
  value: unknown
  schema: z.ZodType
  at(offset: number): Place
  locate(path: Path): Place
}

/** Unknown keys told of one map; each is looked for among its keys. */
const UNKNOWN_KEYS_MAX = 100

/** One finding per issue, one per unknown key; unions speak for the branch that fits best. */
export function issueFindings(error: z.ZodError, context: IssueContext): Finding[] {
  return error.issues.flatMap((issue) => findingsOf(issue, issue.path, context))
}

function findingsOf(issue: z.core.$ZodIssue, path: Path, context: IssueContext): Finding[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, UNKNOWN_KEYS_MAX).map((key) => unknownKey(key, path, context))
  const branch = issue.code === 'invalid_union' ? bestBranch(issue.errors) : undefined
  if (branch !== undefined)
    return branch.flatMap((nested) => findingsOf(nested, [...path, ...nested.path], context))
  const message = wordsOf(issue)
  const key = path.at(-1)
  if (typeof key === 'string' && !context.document.hasIn(path)) {
    const where = nameOf(path.slice(0, -1))
    const missing = `Missing key "${key}" in ${where}: ${message.replace(/, received .*$/, '')}`
    return [{ code: 'missing_key', message: missing, path, ...context.locate(path) }]
  }
  const code = issue.code === 'invalid_type' ? 'wrong_type' : 'invalid_value'
  return [{ code, message: `${nameOf(path)}: ${message}`, path, ...context.locate(path) }]
}

/** The fewest issues among the branches that at least have the shape of the value. */
function bestBranch(branches: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const fitting = branches.filter((branch) =>
    branch.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  )
  return fitting.sort((a, b) => a.length - b.length)[0]
}

function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0)
    return issue.errors.map((branch) => branch.map(wordsOf).join(', ')).join('; or ')
  return issue.message.replace(/^Invalid input: e/, 'E')
}

function unknownKey(key: string, path: Path, context: IssueContext): Finding {
  const known = knownKeys(context.schema, path, context.value)
  const hint = known.length === 0 ? '' : ` (known: ${known.join(', ')})`
  return {
    code: 'unknown_key',
    message: `Unknown key "${key}" in ${nameOf(path)}${hint}`,
    path: [...path, key],
    ...(keyPlace(key, path, context) ?? context.locate(path)),
  }
}

function keyPlace(key: string, path: Path, { document, at }: IssueContext): Place | undefined {
  const parent = path.length === 0 ? document.contents : document.getIn(path, true)
  if (!isMap(parent)) return undefined
  const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key)
  const offset = isNode(pair?.key) ? pair.key.range?.[0] : undefined
  return offset === undefined ? undefined : at(offset)
}

/** Keys that `schema` takes at `path`; empty where it is no object of known keys. */
function knownKeys(schema: unknown, path: Path, value: unknown): string[] {
  if (schema instanceof z.ZodOptional) return knownKeys(schema.unwrap(), path, value)
  if (schema instanceof z.ZodUnion) {
    const options = schema.options.filter((option) => mayBe(option, value))
    const keys = options.flatMap((option) => knownKeys(option, path, value))
    return [...new Set(keys)].sort()
  }
  const [step, ...rest] = path
  if (schema instanceof z.ZodObject) {
    if (step === undefined) return Object.keys(schema.shape).sort()
    return knownKeys(schema.shape[String(step)], rest, memberOf(value, step))
  }
  if (step === undefined) return []
  if (schema instanceof z.ZodArray) return knownKeys(schema.element, rest, memberOf(value, step))
  if (schema instanceof z.ZodRecord) return knownKeys(schema.valueType, rest, memberOf(value, step))
  return []
}

/** Whether the literals of an object schema (its discriminators) agree with the value. */
function mayBe(option: unknown, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return true
  return Object.entries(option.shape).every(
    ([key, member]) =>
      !(member instanceof z.ZodLiteral) || member.safeParse(memberOf(value, key)).success,
  )
}

function memberOf(value: unknown, key: PropertyKey): unknown {
  if (value === null || typeof value !== 'object') return undefined
  return Object.getOwnPropertyDescriptor(value, key)?.value
}

/** `stages[2].with.argv`, quoted. */
function nameOf(path: Path): string {
  if (path.length === 0) return 'the document'
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
  return `"${text.join('').replace(/^\./, '')}"`
}
