import type { z } from 'zod'
import type { ErrorCode, Scope } from '../schema/index.ts'

export interface RouteRow {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** As the router writes it. */
  path: string
  /** What a token needs; `operator` is `admin` of the default tenant, `public` needs no token. */
  scope: Scope | 'operator' | 'public'
  summary: string
  query: z.ZodObject | undefined
  body: z.ZodType | undefined
  /** The answer that is no refusal; without a schema it is bytes or frames. */
  answer: { status: number; schema: z.ZodType | undefined; type: string }
  /** Refusals beyond those every route has. */
  refusals: readonly ErrorCode[]
}

/** A row of the table, with what most of them have filled in. */
export function row(
  place: `${RouteRow['method']} /${string}`,
  scope: RouteRow['scope'],
  summary: string,
  more: {
    query?: z.ZodObject
    body?: z.ZodType
    status?: number
    schema?: z.ZodType
    type?: string
    refusals?: readonly ErrorCode[]
  },
): RouteRow {
  const [method = '', path = ''] = place.split(' ')
  const { query, body, status = 200, schema, type = 'application/json', refusals = [] } = more
  return {
    // The type of `place` says that it begins with one.
    method: method as RouteRow['method'],
    path,
    scope,
    summary,
    query,
    body,
    answer: { status, schema, type },
    refusals,
  }
}
