import type { Context } from 'hono'
import { validator } from 'hono/validator'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'

type Target = 'json' | 'query' | 'param'

/** Parses one part of a request; a bad one fails in the one shape all errors have. */
export function validate<T extends Target, Schema extends z.ZodType>(target: T, schema: Schema) {
  return validator(target, (value: unknown, _context: Context): z.output<Schema> => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    const issue = parsed.error.issues[0]
    throw new OpenExecError('bad_request', `Cannot read the request ${target}: ${issue?.message}`, {
      hint: z.prettifyError(parsed.error),
      details: { field: issue?.path.join('.') ?? '' },
    })
  })
}
