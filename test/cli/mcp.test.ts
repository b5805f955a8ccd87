/** OpenExec as a server of the Model Context Protocol, as far as no engine is needed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testRepository } from '../helpers/cli.ts'
import { openMcp } from '../helpers/mcp.ts'

const BIN = fileURLToPath(new URL('../../bin/openexec.js', import.meta.url))
const env = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }
const FILES = { 'src/sum.js': 'export const sumList = (list) => list.length\n' }

test('mcp lists tools with strict schemas, none of which approves or applies', async () => {
  using repository = testRepository(FILES)
  const mcp = await openMcp(repository.path, { args: [], env })
  try {
    const { tools } = await mcp.client.listTools()
    const names = tools.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['run_command', 'run_blueprint', 'get_logs', 'get_diff', 'read_file']),
    )
    expect(names.filter((name) => /appro|apply|decide|reject|policy|secret/.test(name))).toEqual([])
    for (const { inputSchema } of tools) expect(inputSchema['additionalProperties']).toBe(false)
    const sandbox: unknown = tools.find(({ name }) => name === 'run_command')?.inputSchema
      .properties
    expect(JSON.stringify(sandbox)).not.toContain('danger_full_access')
  } finally {
    await mcp.close()
  }
})

test('mcp refuses what its schemas do not allow, and says why', async () => {
  using repository = testRepository(FILES)
  const before = repository.digest()
  const mcp = await openMcp(repository.path, { args: [], env })
  try {
    for (const [name, args, message] of [
      ['run_command', { argv: 'rm -rf /' }, /expected array/],
      ['run_command', { argv: ['true'], sandbox: 'danger_full_access' }, /sandbox/],
      ['run_command', { argv: ['true'], policy: '/etc/passwd' }, /policy/],
      ['run_command', { argv: ['true'], accept_degraded: true }, /accept_degraded/],
      ['run_blueprint', { blueprint: '../../evil.yaml' }, /blueprint/],
      ['run_blueprint', { blueprint: 'nope' }, /Cannot find blueprint "nope"/],
      ['get_run', { run: '../../etc' }, /run/],
      ['get_run', { run: 'zzzz' }, /Cannot find run/],
      ['read_file', { run: '4x9k', path: '/etc/passwd' }, /Cannot find run/],
      ['approve', { run: '4x9k' }, /Cannot find tool "approve"/],
    ] as const) {
      const { value, failed } = await mcp.call(name, args)
      expect(failed, name).toBe(true)
      expect(String(Reflect.get(Object(value), 'message'))).toMatch(message)
    }
    // No engine is there: said as such, and nothing is left.
    const run = await mcp.call('run_command', { argv: ['true'] })
    expect(run).toMatchObject({ failed: true, value: { code: 'engine_unavailable' } })
    expect((await mcp.call('list_runs', {})).value).toEqual([])
    const context = await mcp.call('find_context', { task: 'sumList is wrong' })
    expect(String(context.value)).toContain('--- src/sum.js')
    expect(repository.digest()).toBe(before)
  } finally {
    await mcp.close()
  }
})

test('mcp writes nothing but the protocol to stdout, and ends with its input', async () => {
  using repository = testRepository(FILES)
  const child = spawn(process.execPath, [BIN, 'mcp'], {
    cwd: repository.path,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.resume()
  const params = {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 't', version: '1' },
  }
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`)
  child.stdin.write('this is no message\n')
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' })}\n`)
  while (!stdout.includes('"id":2')) await once(child.stdout, 'data')
  child.stdin.end()
  const [code]: unknown[] = await once(child, 'close')
  expect(code).toBe(0)
  for (const line of stdout.trimEnd().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
})

test('mcp --http answers on loopback, to whoever holds the token, and to no page', async () => {
  using repository = testRepository(FILES)
  const child = spawn(process.execPath, [BIN, 'mcp', '--http', '0'], {
    cwd: repository.path,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  try {
    while (!stderr.includes('Bearer')) await once(child.stderr, 'data')
    const [, url = '', token = ''] =
      /Serving (\S+) with Authorization: Bearer (\S+)/.exec(stderr) ?? []
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/)
    const ask = (headers: Record<string, string>) =>
      fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      })
    const authorization = `Bearer ${token}`
    const answer = await ask({ authorization })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('run_command')
    expect((await ask({})).status).toBe(403)
    expect((await ask({ authorization: 'Bearer guess' })).status).toBe(403)
    expect((await ask({ authorization, origin: 'http://evil.example' })).status).toBe(403)
  } finally {
    child.kill('SIGTERM')
    await once(child, 'close')
  }
})
