/** The routes as a client sees them, in process; the engine is one that is not there. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createApi } from '../../src/api/index.ts'
import { openApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { LOCAL_CALLER, noRuntime } from '../../src/runtime/index.ts'
import { ErrorAnswer, OpenExecError, type RunRequest, WireFrame } from '../../src/schema/index.ts'
import { openState } from '../../src/state/index.ts'
import { openTestDir, seedRun, testRun } from '../helpers/state.ts'

const ENDED = testRun(1).id
const QUEUED = testRun(2).id
const MISSING = 'run_zzzzzzzzzzzzzzzz'

/** An API over a state directory with a run that has ended and one that waits. */
function openApi() {
  const directory = openTestDir()
  const stateDir = join(directory.path, 'state')
  const config = readConfig({
    PATH: process.env['PATH'],
    HOME: directory.path,
    DOCKER_HOST: 'unix:///nowhere/engine.sock',
  })
  const open = () =>
    openApp({
      config,
      stateDir,
      cwd: directory.path,
      log: { info: () => {}, warn: () => {} },
      signal: new AbortController().signal,
      detach: () => {},
    })
  seed(stateDir, open)
  const app = open()
  const ask = (method: string, path: string, body?: unknown) =>
    app.fetch(`http://api.internal${path}`, {
      method,
      ...(body !== undefined && {
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
  return {
    ask,
    async close() {
      await app.close()
      directory[Symbol.dispose]()
    },
  }
}

function seed(stateDir: string, open: () => { close(): Promise<void> }): void {
  // The program makes the directory, so that it knows it as its own.
  void open().close()
  using state = openState({ file: join(stateDir, 'openexec.db') })
  seedRun(state, 1, { status: 'succeeded', startedAt: 1, endedAt: 2 })
  seedRun(state, 2)
}

type Ask = ReturnType<typeof openApi>['ask']

async function withApi(work: (ask: Ask) => Promise<void>): Promise<void> {
  const api = openApi()
  try {
    await work(api.ask)
  } finally {
    await api.close()
  }
}

const REQUEST: RunRequest = {
  blueprint: 'command',
  task: '',
  repo: import.meta.dirname,
  includeDirty: false,
  command: ['true'],
  inputs: {},
  acceptDegraded: false,
  interactive: false,
}

test.each([
  ['an unknown path', 'GET', '/v1/nothing', undefined, 404, 'not_found'],
  ['a body that is no JSON', 'POST', '/v1/runs', '{', 400, 'bad_request'],
  ['a body of the wrong shape', 'POST', '/v1/runs', { blueprint: 1 }, 400, 'bad_request'],
  ['a query out of range', 'GET', '/v1/runs?limit=0', undefined, 400, 'bad_request'],
  ['a status there is not', 'GET', '/v1/runs?status=done', undefined, 400, 'bad_request'],
  ['an id that is none', 'GET', '/v1/runs/..%2Fx', undefined, 400, 'bad_request'],
  ['an unknown run', 'GET', `/v1/runs/${MISSING}`, undefined, 404, 'not_found'],
  ['its result', 'GET', `/v1/runs/${MISSING}/result`, undefined, 404, 'not_found'],
  ['its steps', 'GET', `/v1/runs/${MISSING}/steps`, undefined, 404, 'not_found'],
  ['its events', 'GET', `/v1/runs/${MISSING}/events`, undefined, 404, 'not_found'],
  ['its stream', 'GET', `/v1/runs/${MISSING}/stream`, undefined, 404, 'not_found'],
  ['its artifacts', 'GET', `/v1/runs/${MISSING}/artifacts`, undefined, 404, 'not_found'],
  ['its changes', 'GET', `/v1/runs/${MISSING}/diff`, undefined, 404, 'not_found'],
  ['its end', 'POST', `/v1/runs/${MISSING}/cancel`, undefined, 404, 'not_found'],
  ['an artifact there is not', 'GET', `/v1/runs/${ENDED}/artifacts/x`, undefined, 404, 'not_found'],
  ['an end after the end', 'POST', `/v1/runs/${ENDED}/cancel`, undefined, 409, 'conflict'],
  ['going on after the end', 'POST', `/v1/runs/${ENDED}/resume`, undefined, 409, 'conflict'],
  ['bringing home what goes on', 'POST', `/v1/runs/${QUEUED}/apply`, undefined, 409, 'conflict'],
  [
    'an unknown task',
    'POST',
    '/v1/runs/of-task/task_zzzzzzzzzzzzzzzz',
    undefined,
    404,
    'not_found',
  ],
  ['an engine that is away', 'POST', '/v1/runs', REQUEST, 503, 'engine_unavailable'],
  [
    'a broken policy',
    'POST',
    '/v1/policies/check',
    { file: 'p', text: '[' },
    400,
    'policy_invalid',
  ],
  [
    'a broken blueprint',
    'POST',
    '/v1/blueprints/check',
    { file: 'b', text: '' },
    400,
    'blueprint_invalid',
  ],
] as const)(
  'the API answers %s in the one shape of errors',
  async (_what, method, path, body, status, code) => {
    await withApi(async (ask) => {
      const answer = await ask(method, path, body)
      expect(answer.headers.get('content-type')).toContain('application/json')
      const { error } = ErrorAnswer.parse(await answer.json())
      expect({ status: answer.status, code: error.code }, error.message).toEqual({ status, code })
      expect(error.message).toMatch(/^Cannot /)
    })
  },
)

test('the API names the field that is wrong', async () => {
  await withApi(async (ask) => {
    const answer = await ask('POST', '/v1/runs', { ...REQUEST, timeoutMs: -1 })
    const { error } = ErrorAnswer.parse(await answer.json())
    expect(error.message).toMatch(/^Cannot read "timeoutMs" of the body: /)
    expect(error).toMatchObject({ field: 'timeoutMs', details: { field: 'timeoutMs' } })
  })
})

test('the API finds a run by a unique beginning of its id', async () => {
  await withApi(async (ask) => {
    const list: unknown = await (await ask('GET', '/v1/runs')).json()
    expect(list).toMatchObject({ runs: [{ id: QUEUED }, { id: ENDED }] })
    const answer = await ask('GET', `/v1/runs/${ENDED.slice(4)}/result`)
    expect(await answer.json()).toMatchObject({ run: ENDED, status: 'succeeded', exit_code: 0 })
    expect((await ask('GET', '/v1/runs/run_00')).status).toBe(400)
  })
})

test('the API cancels a run nobody executes at once, and once more without harm', async () => {
  await withApi(async (ask) => {
    for (let time = 0; time < 2; time++) {
      const answer = await ask('POST', `/v1/runs/${QUEUED}/cancel`)
      expect(await answer.json()).toMatchObject({ id: QUEUED, status: 'cancelled' })
    }
    const { status } = await ask('POST', `/v1/runs/${QUEUED}/decide`, { approve: true })
    expect(status).toBe(409)
  })
})

test('the stream of a run that has ended ends, wherever it begins', async () => {
  await withApi(async (ask) => {
    for (const query of ['', '?after=0&live=false', '?after=1000000']) {
      const text = await (await ask('GET', `/v1/runs/${ENDED}/stream${query}`)).text()
      const frames = text
        .trimEnd()
        .split('\n')
        .map((line) => WireFrame.parse(JSON.parse(line)))
      expect(frames).toEqual([{ type: 'end', status: 'succeeded', exit_code: 0 }])
    }
  })
})

test('createApi() tells of a bug to its owner and not to the caller', async () => {
  const told: unknown[] = []
  const bug = new Error('The secret is 42')
  const api = createApi({
    runtime: {
      ...noRuntime(),
      find: () => {
        throw bug
      },
      list: () => {
        throw new OpenExecError('state_unusable', 'Cannot read')
      },
    },
    catalog: {
      blueprints: () => [],
      checkBlueprint: () => ({ name: '', graph: '', bounds: {} }),
      checkPolicy: () => ({ rules: 0 }),
      explainPolicy: () => {
        throw bug
      },
      doctor: async () => ({ ok: true, checks: [], capabilities: {} }),
    },
    advisor: {
      contextPack: () => Promise.reject(bug),
      recall: () => Promise.reject(bug),
      route: () => Promise.reject(bug),
    },
    tokens: noRuntime(),
    webhooks: noRuntime(),
    schedules: noRuntime(),
    uploads: noRuntime(),
    admit: () => {},
    launch: () => {},
    submit: () => Promise.reject(bug),
    requestOf: () => {
      throw bug
    },
    counts: undefined,
    backup: () => Promise.reject(bug),
    onBug: (error) => told.push(error),
  })
  const answer = await api.request(`/v1/runs/${ENDED}`, {}, { caller: LOCAL_CALLER })
  expect(answer.status).toBe(500)
  expect(await answer.json()).toEqual({ error: { code: 'internal', message: 'Internal error' } })
  expect(told).toEqual([bug])
  expect((await api.request('/v1/runs', {}, { caller: LOCAL_CALLER })).status).toBe(507)
  expect(told).toEqual([bug])
})
