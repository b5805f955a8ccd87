/** A token of one tenant, with every address it can think of: nothing of another tenant is there. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ROUTES } from '../../src/api/route-table.ts'
import { testRun } from '../helpers/state.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

const TIME_MS = 4000

test('no token finds, counts, changes or names anything of another tenant', async () => {
  await using server = await testServer({ openRoots: [process.cwd()] })
  const secret = 'the-task-of-owner'
  const runs = [1, 2, 3].map((number) =>
    server.seed(number, {
      tenant: 'owner',
      request: { ...testRun(number).request, task: secret },
      ...(number > 1 && { status: 'succeeded', endedAt: 2 }),
    }),
  )
  const token = server.token('stranger', ['admin']).token
  const owner = server.token('owner', ['admin']).token
  const hook = await server.make(owner, 'webhook')
  const schedule = await server.make(owner, 'schedule')
  const made = [hook.id, hook.part, schedule.id, schedule.part]
  const known = [...made, ...runs.flatMap(({ id, taskId }) => [id, taskId]), secret, 'owner']
  const words = fc.oneof(
    fc.constantFrom(...runs.map(({ id }) => id)),
    fc.constantFrom(...runs.map(({ id }) => id.slice(4, 10)), 'run_', '0', 'run_0000', '*', '%25'),
    fc.constantFrom(...runs.map(({ taskId }) => taskId)),
    fc.constantFrom(...made),
  )
  const query = fc.constantFrom('', '?after=0', '?limit=1000', '?live=false', '?status=succeeded')
  const rows = ROUTES.filter(({ path, scope }) => scope !== 'public' && path !== '/v1/stream')
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...rows), words, words, query, async (row, one, two, more) => {
      const path = row.path.replace(/:(?:artifact|delivery)/, two).replace(/:\w+/, one)
      const body = row.method === 'POST' ? { approve: true } : undefined
      const answer = await server.ask(`${path}${more}`, { method: row.method, token, body })
      const text = await answer.text()
      // What was asked for may be repeated in the refusal, and nothing else.
      const told = known.filter((each) => text.includes(each) && !`${path}`.includes(each))
      expect(told, `${row.method} ${path}${more}`).toEqual([])
      if (row.path.includes('/runs/:')) expect(answer.status).toBeGreaterThanOrEqual(400)
    }),
    { seed: 20_260_101, numRuns: 400, interruptAfterTimeLimit: TIME_MS },
  )
  const seen = await (await server.ask('/v1/schedules', { token: owner })).text()
  expect(seen).toContain(schedule.part)
  expect(seen).not.toContain('pausedAt')
  expect(await (await server.ask('/v1/webhooks', { token: owner })).text()).toContain(hook.id)
  await expectControl(server, token, runs[0]?.id ?? '')
})

/** The owner sees what the stranger did not, and nothing of it has changed. */
async function expectControl(server: TestServer, stranger: string, id: string): Promise<void> {
  const { token } = server.token('owner', ['runs:read'])
  const seen = await (await server.ask('/v1/runs', { token })).json()
  expect(seen).toMatchObject({ runs: [{}, {}, { id, status: 'queued', cancelRequested: false }] })
  expect(await (await server.ask('/v1/runs', { token: stranger })).json()).toEqual({ runs: [] })
}
