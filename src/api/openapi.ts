/** The OpenAPI document, made of the very table and schemas that the server checks with. */
import { z } from 'zod'
import { ERROR_TABLE, ErrorAnswer, type ErrorCode } from '../schema/index.ts'
import type { RouteRow } from './route-row.ts'
import { ROUTES } from './route-table.ts'

type Json = Record<string, unknown>

/** Refusals of every route that is not public, and of those with a body or query. */
const OF_ALL: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'too_busy', 'internal']

export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {}
  for (const row of ROUTES) {
    const path = row.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [row.method.toLowerCase()]: operation(row) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'OpenExec',
      version,
      description: 'Runs what nobody has to trust, and proves what was enforced.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: schemaOf(ErrorAnswer, 'output') },
    },
  }
}

function operation(row: RouteRow): Json {
  const { status, schema, type } = row.answer
  const content = { [type]: schema === undefined ? {} : { schema: schemaOf(schema, 'output') } }
  return {
    operationId: operationId(row),
    summary: row.summary,
    ...(row.scope === 'public'
      ? { security: [] }
      : { security: [{ token: [] }], 'x-openexec-scope': row.scope }),
    parameters: [...pathParameters(row.path), ...queryParameters(row)],
    ...(row.body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaOf(row.body, 'input') } },
      },
    }),
    responses: {
      [status]: { description: row.summary, ...headersOf(row), content },
      ...refusals(row),
    },
  }
}

const INTEGER_HEADER = (description: string) => ({ description, schema: { type: 'integer' } })
const RATE_HEADERS = {
  'RateLimit-Limit': INTEGER_HEADER('Requests that may be made at once'),
  'RateLimit-Remaining': INTEGER_HEADER('Requests that are left now'),
  'RateLimit-Reset': INTEGER_HEADER('Seconds until all are there again'),
}

function headersOf({ scope }: RouteRow): Json {
  return scope === 'public' ? {} : { headers: RATE_HEADERS }
}

function operationId({ method, path }: Pick<RouteRow, 'method' | 'path'>): string {
  const words = path.split(/[^a-z0-9]+/i).filter((word) => word !== '')
  return [method.toLowerCase(), ...words].join('_')
}

/** By status, with the codes that a body of it can have. */
function refusals(row: RouteRow): Json {
  const codes = new Set<ErrorCode>(row.refusals)
  if (row.scope !== 'public') for (const code of OF_ALL) codes.add(code)
  else codes.add('forbidden')
  if (row.body !== undefined) codes.add('too_large')
  if (row.body !== undefined || row.query !== undefined || row.path.includes(':'))
    codes.add('bad_request')
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const { status } = ERROR_TABLE[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [
      status,
      {
        description: `Refused: ${named.join(', ')}`,
        ...(named.includes('too_busy') && {
          headers: { 'Retry-After': INTEGER_HEADER('Seconds to wait') },
        }),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  )
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters({ query }: RouteRow): Json[] {
  if (query === undefined) return []
  return Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema, 'output'),
  }))
}

function schemaOf(schema: z.core.$ZodType, io: 'input' | 'output'): unknown {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' })
}
