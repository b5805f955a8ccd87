import type { Context } from 'hono'
import { validator } from 'hono/validator'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { ApiEnv } from './env.ts'
import { refuseHostileJson } from './hostile-json.ts'

type Target = 'json' | 'query' | 'param'
const NAMES = { json: 'the body', query: 'the query', param: 'the path' } as const

/** Parses one part of a request; a bad one fails in the one shape all errors have. */
export function validate<T extends Target, Schema extends z.ZodType>(target: T, schema: Schema) {
  return validator(target, (value: unknown, _context: Context<ApiEnv>): z.output<Schema> =>
    parsePart(target, schema, value),
  )
}

/** A body whose schema depends on what it looks like. */
export function validateBody<Output>(schemaOf: (value: unknown) => z.ZodType<Output>) {
  return validator('json', (value: unknown, _context: Context<ApiEnv>): Output =>
    parsePart('json', schemaOf(value), value),
  )
}

function parsePart<Schema extends z.ZodType>(
  target: Target,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  if (target === 'json') refuseHostileJson(value)
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  const where = field === '' ? NAMES[target] : `"${field}" of ${NAMES[target]}`
  throw new OpenExecError('bad_request', `Cannot read ${where}: ${issue?.message ?? 'malformed'}`, {
    ...(parsed.error.issues.length > 1 && { hint: z.prettifyError(parsed.error) }),
    details: { field },
  })
}
