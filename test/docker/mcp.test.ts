/** What a client of the Model Context Protocol can have run. */
import { expect } from 'vitest'
import { leftInRepository, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'
import { openMcp } from '../helpers/mcp.ts'

const FILES = {
  'a.txt': 'one\n',
  'openexec.policy.yaml':
    'version: 1\nsandbox: workspace_write\npaths: { deny_read: ["hidden/**"] }\n',
  'hidden/key.txt': 'hidden\n',
}

dockerTest('a client runs a command, reads what it left, and changes nothing outside', async () => {
  using repository = testRepository(FILES)
  const mcp = await openMcp(repository.path, { args: [], env: {} })
  try {
    const ran = await mcp.call('run_command', {
      argv: ['sh', '-c', 'echo two > a.txt; echo out; echo err >&2; exit 3'],
    })
    expect(ran).toMatchObject({
      failed: false,
      value: {
        status: 'failed',
        exit_code: 1,
        diff: { files: 1 },
        output: { stdout: { text: 'out\n' }, stderr: { text: 'err\n' } },
      },
    })
    const run = String(Reflect.get(Object(ran.value), 'run'))
    expect((await mcp.call('read_file', { run, path: 'a.txt' })).value).toMatchObject({
      text: 'two\n',
      total_bytes: 4,
    })
    expect((await mcp.call('read_file', { run, path: 'hidden/key.txt' })).failed).toBe(true)
    expect((await mcp.call('read_file', { run, path: '../a.txt' })).failed).toBe(true)
    expect(JSON.stringify((await mcp.call('get_diff', { run })).value)).toContain('+two')
    expect((await mcp.call('get_logs', { run })).value).toMatchObject({ stdout: { text: 'out\n' } })
    expect((await mcp.call('list_runs', {})).value).toMatchObject([{ run, status: 'failed' }])
    expect(repository.git('status', '--porcelain')).toBe('')
  } finally {
    await mcp.close()
  }
  await expectNothingLeft(repository)
  expect(leftInRepository(repository)).toEqual([])
})

dockerTest('a client that goes away takes its runs along', async () => {
  using repository = testRepository(FILES)
  const mcp = await openMcp(repository.path, { args: [], env: {} })
  const running = mcp.call('run_command', { argv: ['sleep', '600'] }).catch(() => undefined)
  let listed: unknown = []
  while (!JSON.stringify(listed).includes('"running"'))
    listed = (await mcp.call('list_runs', {})).value
  await mcp.close()
  await running
  const again = await openMcp(repository.path, { args: [], env: {} })
  try {
    while (JSON.stringify(listed).includes('"running"'))
      listed = (await again.call('list_runs', {})).value
    expect(JSON.stringify(listed)).toMatch(/"cancelled"|"paused"/)
  } finally {
    await again.close()
  }
})
