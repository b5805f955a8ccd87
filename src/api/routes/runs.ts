import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { QueuePlace } from '../../runtime/index.ts'
import {
  ApprovalEdit,
  CreateRun,
  hashJson,
  OpenExecError,
  RunRequest,
  RunStatus,
  TaskId,
} from '../../schema/index.ts'
import type { ApiDeps } from '../app.ts'
import type { ApiEnv } from '../env.ts'
import { validate, validateBody } from '../validate.ts'

export const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  status: RunStatus.optional(),
  /** Id of the last run of the page before. */
  before: z.string().min(1).max(64).optional(),
})
export const EventsQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(5000).default(1000),
})
export const Decision = z.strictObject({
  approval: z.string().optional(),
  approve: z.boolean(),
  reason: z.string().max(1000).optional(),
  /** What is to be done instead of what is asked; checked like a request of its own. */
  edit: ApprovalEdit.optional(),
})
export const Fork = z.strictObject({
  count: z.number().int().min(1).max(64).default(1),
  at: z.string().min(1).max(200).optional(),
  task: z.string().optional(),
  command: z.array(z.string()).min(1).optional(),
})
/** A fork is made by its own route, which knows what it stands on. */
const EmbeddedRequest = RunRequest.omit({ fork: true })
/** A whole id or a unique prefix of one. */
const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))
/** In process a request is the one the runtime knows; over a wire everything in it travels. */
const Submission = validateBody<CreateRun | RunRequest>((value) =>
  typeof Reflect.get(Object(value), 'repo') === 'string' ? EmbeddedRequest : CreateRun,
)

type Deps = Pick<ApiDeps, 'runtime' | 'admit' | 'launch' | 'submit' | 'requestOf'>

export function runRoutes({ runtime, admit, launch, submit, requestOf }: Deps) {
  return new Hono<ApiEnv>()
    .post('/', Submission, async (c) => {
      const body = c.req.valid('json')
      const request = requestOf(body, c.env.caller)
      const place = {
        ...placeOf(body),
        key: keyOf(c, body),
        tick: undefined,
        signal: c.req.raw.signal,
      }
      const { run, again } = await submit(request, place)
      c.header('location', `/v1/runs/${run.id}`)
      if (again) c.header('idempotent-replayed', 'true')
      return c.json(run, 201)
    })
    .post('/of-task/:task', validate('param', z.object({ task: TaskId })), async (c) => {
      admit()
      const id = await runtime.runTask(c.req.valid('param').task, { signal: c.req.raw.signal })
      launch(runtime.get(id))
      return c.json(runtime.get(id), 201)
    })
    .get('/', validate('query', ListQuery), (c) => {
      const { limit, status, before } = c.req.valid('query')
      const cursor = before === undefined ? undefined : runtime.find(before).id
      const runs = runtime.list({ limit, status, before: cursor })
      const next = runs.length < limit ? undefined : runs.at(-1)?.id
      return c.json({ runs, ...(next !== undefined && { next }) })
    })
    .get('/:id', ById, (c) => c.json(runtime.find(c.req.valid('param').id)))
    .get('/:id/events', ById, validate('query', EventsQuery), (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json({ events: runtime.events(run.id, c.req.valid('query')) })
    })
    .post('/:id/cancel', ById, async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json(await runtime.cancel(run.id))
    })
    .post('/:id/resume', ById, (c) => {
      const run = runtime.resumable(runtime.find(c.req.valid('param').id).id)
      const after = runtime.lastSeq(run.id)
      launch(run)
      return c.json({ run, after }, 202)
    })
    .post('/:id/fork', ById, validate('json', Fork), async (c) => {
      const { id } = runtime.find(c.req.valid('param').id)
      admit()
      const { count, at, task, command } = c.req.valid('json')
      const { signal } = c.req.raw
      const runs = await runtime.fork(id, { count, at, task, command, signal })
      for (const run of runs) launch(run)
      return c.json({ runs }, 201)
    })
    .post('/:id/decide', ById, validate('json', Decision), async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { approval, approve, reason, edit } = c.req.valid('json')
      await runtime.decide(run.id, { approval, approve, reason, edit })
      return c.json(runtime.get(run.id))
    })
}

function placeOf(body: CreateRun | RunRequest): Pick<QueuePlace, 'priority' | 'ttlMs'> {
  if (typeof body.repo === 'string') return { priority: 0, ttlMs: undefined }
  // The guard above cannot narrow a union whose members share all other keys.
  const { priority = 0, ttl } = body as CreateRun
  return { priority, ttlMs: ttl }
}

const KEY = /^[\x21-\x7e]{1,255}$/

function keyOf(c: Context<ApiEnv>, body: unknown): QueuePlace['key'] {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return undefined
  if (!KEY.test(key))
    throw new OpenExecError(
      'bad_request',
      'Cannot use the Idempotency-Key: expected 1 to 255 printable characters',
      { details: { field: 'Idempotency-Key' } },
    )
  return { key, requestHash: hashJson(body) }
}
