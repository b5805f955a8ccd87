import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { sampleRepository } from '../helpers/program.ts'
import { pinsHash } from '../../src/tools/mcp/pins.ts'

/** Several starts of the program, on a machine that may be slow. */
const LIMIT_MS = 240_000

const PROGRAM = new URL('../fixtures/programs/mcp-server.mjs', import.meta.url).pathname
const BLUEPRINT = `version: 1
name: served
description: Uses a server
stages:
  - { id: use, type: agent, goal: Use the server, toolset: coding_backend }
`
const POLICY = `version: 1
rules: [{ id: mcp, capability: mcp_call, decision: allow, when: { stage: [use] } }]
`
const CONFIG = `mcp:
  fake: { command: [node, mcp-server.mjs, good] }
  pen: { command: [node, mcp-server.mjs, good], sandbox: workspace_write, tools: [note] }
`
const call = (name: string, args: object) => ({ name, args })
const CALLS = [
  call('mcp__fake__upper', { text: 'abc' }),
  call('mcp__fake__note', { text: 'forbidden' }),
  call('mcp__pen__note', { text: 'written' }),
  call('mcp__pen__upper', { text: 'abc' }),
  call('finish', { status: 'done', summary: 'Used' }),
]

const schema = { type: 'object', properties: { text: { type: 'string' } } }
const PINS = [
  { name: 'note', description: 'Writes a note', inputSchema: schema },
  { name: 'upper', description: 'Writes text in capitals', inputSchema: schema },
]
const PINNED = { hash: pinsHash(PINS), tools: PINS }

/** A repository with two servers, and a run that calls each of them. */
function servedRepository(config: string) {
  const repository = sampleRepository()
  const turns = CALLS.map((each) => ({ reply: { tool_calls: [each] } }))
  const script = repository.write('.git/m.yaml', JSON.stringify({ provider: 'scripted', turns }))
  const blueprint = repository.write('.git/served.yaml', BLUEPRINT)
  const policy = repository.write('.git/policy.yaml', POLICY)
  cpSync(PROGRAM, join(repository.path, 'mcp-server.mjs'))
  repository.write('openexec.yaml', config)
  return {
    repository,
    allowed: ['--policy', policy],
    use: (...more: string[]) =>
      repository.run(blueprint, '--task', 'Use it', '--model-script', script, ...more),
    toldOf: async (run: string) =>
      (await repository.openexec('artifacts', 'get', run, 'transcript-use')).stdout,
    [Symbol.dispose]: () => repository[Symbol.dispose](),
  }
}

dockerTest(
  'servers of a repository are pinned, and run in sandboxes of their own',
  async () => {
    using served = servedRepository(CONFIG)
    const { repository, use, toldOf, allowed } = served
    const locked = await repository.openexec('mcp', 'lock')
    expect(locked).toMatchObject({ code: 0, stderr: expect.stringContaining('Pinned 4 tools') })
    expect(locked.stdout).toContain('fake: + upper')
    const lock: unknown = JSON.parse(readFileSync(join(repository.path, 'openexec.lock'), 'utf8'))
    expect(lock).toEqual({ version: 1, mcp: { fake: PINNED, pen: PINNED } })
    repository.commit('Add servers')

    const used = await use(...allowed)
    expect(used).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    const told = await toldOf(used.run)
    expect(told).toContain('"text":"ABC"')
    expect(told).toMatch(/"ok":false,"text":"Cannot use MCP server \\"fake\\"/)
    expect(told).toContain('"text":"written 1"')
    expect(told).toContain('There is no tool \\"mcp__pen__upper\\"')
    const { stdout: events } = await repository.openexec('events', used.run, '--json')
    expect(events.match(/"type":"sandbox_started"/g)).toHaveLength(2)
    expect((await repository.openexec('replay', used.run)).code).toBe(0)
    expect(repository.leftovers()).toEqual([])
  },
  LIMIT_MS,
)

dockerTest(
  'servers that changed are refused, and those that policy does not allow do not exist',
  async () => {
    using served = servedRepository(CONFIG.replaceAll('good', 'rename'))
    const { repository, use, toldOf, allowed } = served
    const lock = { version: 1, mcp: { fake: PINNED, pen: PINNED } }
    repository.write('openexec.lock', JSON.stringify(lock))
    repository.commit('Add servers that are not what is pinned')
    const blocked = await use()
    expect(await toldOf(blocked.run)).toContain('There is no tool \\"mcp__fake__upper\\"')
    const changed = await use(...allowed)
    expect(await toldOf(changed.run)).toContain('are not those of openexec.lock')
    const check = await repository.openexec('mcp', 'check')
    expect(check).toMatchObject({ code: 1, stdout: expect.stringContaining('fake: + Upper') })
  },
  LIMIT_MS,
)
