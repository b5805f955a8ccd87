/** The document against the server that gives it away: every route, and every status it declares. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createApi } from '../../src/api/index.ts'
import { ROUTES } from '../../src/api/route-table.ts'
import { LOCAL_CALLER, noRuntime } from '../../src/runtime/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

const Operation = z.object({
  operationId: z.string(),
  summary: z.string().min(5),
  security: z.array(z.unknown()),
  parameters: z.array(z.object({ name: z.string(), in: z.enum(['path', 'query']) })),
  requestBody: z.object({ content: z.record(z.string(), z.unknown()) }).optional(),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), content: z.record(z.string(), z.unknown()) }),
  ),
})
const Document = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
})

let server: TestServer
let document: z.infer<typeof Document>

beforeAll(async () => {
  server = await testServer()
  server.seed(1, { status: 'succeeded', startedAt: 1, endedAt: 2 })
  document = Document.parse(await (await server.ask('/v1/openapi.json', { token: '' })).json())
})
afterAll(() => server[Symbol.asyncDispose]())

test('the document has every route of the API, and no other', () => {
  const never = () => {
    throw new Error('Not asked')
  }
  const api = createApi({
    runtime: noRuntime(),
    catalog: {
      blueprints: never,
      checkBlueprint: never,
      checkPolicy: never,
      explainPolicy: never,
      doctor: never,
    },
    advisor: { contextPack: never, recall: never, route: never },
    tokens: noRuntime(),
    webhooks: noRuntime(),
    schedules: noRuntime(),
    uploads: noRuntime(),
    admit: never,
    launch: never,
    submit: never,
    requestOf: never,
    counts: undefined,
    backup: never,
    onBug: never,
  })
  const inCode = new Set(
    api.routes.map(({ method, path }) => `${method} ${path.replace(/(?<=.)\/$/, '')}`),
  )
  const inTable = new Set(ROUTES.map(({ method, path }) => `${method} ${path}`))
  expect([...inCode].filter((route) => !inTable.has(route))).toEqual([])
  const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  )
  expect(new Set(inDocument)).toEqual(inTable)
  expect(LOCAL_CALLER.scopes).toEqual(['admin'])
})

test('each operation has a name of its own, and says whether it needs a token', () => {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  const names = operations.map(({ operationId }) => operationId)
  expect(new Set(names).size).toBe(names.length)
  for (const { security, responses, operationId } of operations)
    expect(Object.keys(responses).includes('401'), operationId).toBe(security.length > 0)
})

const RUN = 'run_0000000000000001'

test('every route answers with a status and a type that the document has', async () => {
  for (const row of ROUTES.filter(({ path }) => path !== '/v1/stream')) {
    const path = row.path
      .replace(':id', RUN)
      .replace(':artifact', 'x')
      .replace(':task', 'x')
      .replace(':delivery', 'x')
    const operation =
      document.paths[row.path.replaceAll(/:(\w+)/g, '{$1}')]?.[row.method.toLowerCase()]
    for (const token of ['', server.admin]) {
      const body = row.method === 'POST' ? {} : undefined
      const answer = await server.ask(path, { method: row.method, token, body })
      const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
      await answer.body?.cancel()
      const declared = operation?.responses[String(answer.status)]
      expect(declared, `${row.method} ${path} answered ${answer.status}`).toBeDefined()
      expect(Object.keys(declared?.content ?? {}), `${row.method} ${path}`).toContain(type)
    }
  }
})

test('what a route answers fits its schema', async () => {
  const hook = await server.make(server.admin, 'webhook')
  const schedule = await server.make(server.admin, 'schedule')
  for (const row of ROUTES.filter(({ method, answer }) => method === 'GET' && answer.schema)) {
    // The run of this test was never executed, so there is nothing to replay.
    if (row.scope === 'operator' || row.path.endsWith('/replay')) continue
    const id = { webhooks: hook.id, schedules: schedule.id }[row.path.split('/')[2] ?? ''] ?? RUN
    const answer = await server.ask(row.path.replace(':id', id))
    const read = row.answer.schema?.safeParse(await answer.json())
    expect(read?.success, `${row.path}: ${read?.error?.message}`).toBe(true)
  }
})
