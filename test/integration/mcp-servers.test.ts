/** Servers of the Model Context Protocol as tools, over real processes: good ones, and hostile ones. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { PinnedServer } from '../../src/schema/index.ts'
import {
  connectServer,
  createMcpTools,
  pinsDifference,
  readLock,
  type StartServer,
} from '../../src/tools/index.ts'
import { pinsHash } from '../../src/tools/mcp/pins.ts'
import { call, DONE, turn } from '../helpers/hostile-model.ts'
import { type LocalSandbox, openLocalSandbox } from '../helpers/local-sandbox.ts'
import { runStage, scriptedModel, type StageOptions } from '../helpers/scripted-stage.ts'
import { toolWorld } from '../helpers/tool-context.ts'

const PROGRAM = fileURLToPath(new URL('../fixtures/programs/mcp-server.mjs', import.meta.url))
const schema = { type: 'object', properties: { text: { type: 'string' } } }
const PINS = [
  { name: 'note', description: 'Writes a note', inputSchema: schema },
  { name: 'upper', description: 'Writes text in capitals', inputSchema: schema },
]
const SERVER: PinnedServer = { name: 'fake', server: { command: ['fake'] }, pins: PINS }

let sandbox: LocalSandbox
let started: number[]
beforeEach(async () => {
  sandbox = await openLocalSandbox({})
  started = []
})
afterEach(() => sandbox.close())

function processOf(mode: string, cwd: string): StartServer {
  return async (onOutput) => {
    const child = spawn(process.execPath, [PROGRAM, mode], { cwd, env: {} })
    if (child.pid !== undefined) started.push(child.pid)
    child.stdin.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => onOutput('stdout', chunk))
    child.stderr.on('data', (chunk: Buffer) => onOutput('stderr', chunk))
    const ended = new Promise<string>((resolve) => {
      child.once('close', (code, signal) => resolve(`it ended with ${code ?? signal}`))
    })
    return {
      write: async (bytes) => void child.stdin.write(bytes),
      kill: () => void child.kill('SIGKILL'),
      ended,
    }
  }
}

const upper = call('mcp__fake__upper', { text: 'abc' })
const note = (text: string) => call('mcp__fake__note', { text })

async function runWith(
  mode: string,
  calls: readonly ReturnType<typeof call>[],
  options: Partial<StageOptions> & { server?: PinnedServer } = {},
) {
  const { server = SERVER, ...rest } = options
  const mcp = createMcpTools([server], () => processOf(mode, sandbox.root))
  const world = toolWorld(sandbox, { extras: mcp.tools, allow: ['mcp_call'] })
  const model = scriptedModel([...calls.map((each) => turn(each)), DONE])
  try {
    const run = await runStage(world, model, rest)
    const results = run.transcript.filter((line) => line['role'] === 'tool')
    return { ...run, world, texts: results.map((line) => String(line['text'])), results }
  } finally {
    await mcp.close()
    for (const pid of started) await expectGone(pid)
  }
}

async function expectGone(pid: number): Promise<void> {
  await expect.poll(() => isThere(pid)).toBe(false)
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('tools of a server are called by their names, in one process, each asked of policy', async () => {
  const { texts, world, transcript } = await runWith('good', [upper, note('a'), note('b')])
  expect(texts.slice(0, 3)).toEqual(['ABC', 'a 2', 'b 3'])
  expect(started).toHaveLength(1)
  expect(world.gated).toContain(
    'allow mcp_call mcp__fake__upper {"kind":"name","name":"fake/upper"}',
  )
  const tools = JSON.stringify(transcript[0]?.['tools'])
  expect(tools).toContain('[MCP server fake] Writes text in capitals')
})

test('a server that no call needs is never started', async () => {
  await runWith('good', [])
  expect(started).toEqual([])
})

test('a server whose stage may not use it is not started either', async () => {
  const mcp = createMcpTools([SERVER], () => processOf('good', sandbox.root))
  const world = toolWorld(sandbox, { extras: mcp.tools })
  const { events } = await runStage(world, scriptedModel([turn(upper), DONE]))
  const [called] = events.filter(({ type }) => type === 'tool_call')
  expect(called?.payload).toMatchObject({ ok: false, failure: 'policy_blocked' })
  expect(started).toEqual([])
  await mcp.close()
})

test('only the tools that the configuration names exist', async () => {
  const server = { ...SERVER, server: { command: ['fake'], tools: ['upper'] } }
  const { results } = await runWith('good', [upper, note('a')], { server })
  expect(results.map((line) => line['ok'])).toEqual([true, false, true])
})

test('a tool whose description changes in mid-run is refused with the difference, for good', async () => {
  const { texts, results } = await runWith('rug-pull', [upper, upper])
  expect(texts[0]).toContain('not those of openexec.lock')
  expect(texts[0]).toContain('~ upper.description: "Writes text in capitals" -> "Also send')
  expect(texts[1]).toBe(texts[0])
  expect(results.map((line) => line['ok'])).toEqual([false, false, true])
})

test.each([
  ['rename', /- upper[\s\S]*|\+ Upper/],
  ['twice', /listed twice/],
  ['bad-name', /Cannot pin its tools/],
  ['many', /Cannot pin its tools/],
  ['long', /Cannot pin its tools/],
  ['endless-pages', /more than 16 pages/],
  ['dies', /it ended with 3/],
  ['exits', /no such configuration/],
  ['no-json', /a line that is no JSON/],
  ['no-message', /a line that is no message/],
  ['bad-result', /Cannot use MCP server "fake"/],
  ['huge-line', /a message of more than/],
  ['no-newline', /a message of more than/],
  ['flood', /messages nobody asked for|more than 67108864 bytes/],
])('a server that is hostile (%s) fails its call, and is not used again', async (mode, why) => {
  const { texts, results, result } = await runWith(mode, [upper, note('again')])
  expect(texts[0]).toMatch(why)
  expect(texts[1]).toBe(texts[0])
  expect(results.map((line) => line['ok'])).toEqual([false, false, true])
  expect(started).toHaveLength(1)
  expect(result.verdict).toBe('succeeded')
})

test('an error that a server answers with is told, and the server is used again', async () => {
  const { texts } = await runWith('error', [upper, note('again')])
  expect(texts[0]).toContain('It broke')
  expect(texts[1]).toContain('It broke')
  expect(texts[1]).not.toContain('not used again')
})

test('answers to what nobody asked, and requests of a server, change nothing', async () => {
  const { texts } = await runWith('wrong-id', [upper])
  expect(texts[0]).toBe('ABC')
  started = []
  expect((await runWith('asks', [upper])).texts[0]).toBe('ABC')
})

test('a long output is cut for the model and kept whole up to its limit', async () => {
  const { texts, world } = await runWith('huge', [upper])
  expect(texts[0]?.length).toBeLessThan(20_000)
  expect(texts[0]).toContain('read_artifact')
  expect([...world.kept.values()].map((bytes) => bytes.length)).toEqual([1024 * 1024])
})

test.each(['never', 'silent-start'])(
  'a server that never answers (%s) ends with its stage at the latest',
  async (mode) => {
    const { result } = await runWith(mode, [upper], { limits: { max_wall: 700 } })
    expect(result).toMatchObject({ verdict: 'budget_exceeded', reason: 'wall_limit' })
  },
)

test('connectServer() gives the list in the form that is pinned, sorted', async () => {
  const { signal } = new AbortController()
  const server = await connectServer('fake', processOf('good', sandbox.root), { signal })
  expect(await server.list(signal)).toEqual(PINS)
  await server.close()
})

test('readLock() refuses a lock whose hash is not that of its tools', () => {
  const lock = (hash: string) =>
    JSON.stringify({ version: 1, mcp: { fake: { hash, tools: PINS } } })
  expect(readLock(lock(pinsHash(PINS))).mcp['fake']?.tools).toEqual(PINS)
  for (const text of ['{', '[]', lock('0'.repeat(64)), '{"version":2,"mcp":{}}'])
    expect(() => readLock(text)).toThrow(/openexec.lock/)
})

test('pinsDifference() tells what was added, taken away and changed', () => {
  const [first, second] = PINS
  if (first === undefined || second === undefined) throw new Error('No pins')
  expect(pinsDifference(PINS, PINS)).toEqual([])
  const other = { ...first, name: 'other' }
  expect(pinsDifference(PINS, [other, { ...second, inputSchema: {} }])).toEqual([
    '- note',
    '+ other',
    expect.stringContaining('~ upper.inputSchema: {"properties"'),
  ])
})
