import { afterAll, beforeAll, expect } from 'vitest'
import type { DockerSandbox } from '../../src/sandbox/docker-sandbox.ts'
import type { CommandRequest } from '../../src/sandbox/sandbox.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-interactive'
expectNoLeftovers(INSTANCE)
const bench = sandboxBench(INSTANCE, async () => testEngine())
let sandbox: DockerSandbox

beforeAll(async () => {
  // What `open()` gives is always one of these.
  sandbox = (await bench.open(testConfinement('workspace_write'))) as DockerSandbox
})
afterAll(() => bench.closeAll())

function start(argv: string[], over: Partial<CommandRequest> = {}) {
  let seen = ''
  const waiting: { text: string; resolve(): void }[] = []
  const command = sandbox.start({
    argv,
    env: {},
    cwd: '/workspace',
    timeoutMs: 30_000,
    stdin: 'open',
    terminal: undefined,
    onOutput: (_stream, chunk) => {
      seen += Buffer.from(chunk).toString('latin1')
      for (const one of waiting) if (seen.includes(one.text)) one.resolve()
    },
    ...over,
  })
  const shows = (text: string) =>
    new Promise<void>((resolve) => {
      if (seen.includes(text)) resolve()
      else waiting.push({ text, resolve })
    })
  const type = (text: string) => command.write(Buffer.from(text))
  return { command, shows, type, seen: () => seen }
}

dockerTest('start() gives a terminal that is resized and interrupted', async () => {
  const { command, shows, type } = start(['sh'], {
    terminal: { rows: 31, columns: 97 },
  })
  await shows('$ ')
  await type('stty size; tty\n')
  await shows('31 97')
  await shows('/dev/pts/')
  command.resize({ rows: 40, columns: 120 })
  await type('stty size\n')
  await shows('40 120')
  await type('echo sl""eeping; sleep 300\n')
  await shows('sleeping')
  await type('\u0003')
  await shows('^C')
  await type('exit 42\n')
  expect(await command.result).toMatchObject({ exitCode: 42 })
})

dockerTest('start() passes every byte of an open input and its end', async () => {
  const { command, seen } = start(['wc', '-c'])
  const block = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  for (let turn = 0; turn < 2_000; turn++) await command.write(block)
  await command.end()
  expect(await command.result).toMatchObject({ exitCode: 0 })
  expect(seen()).toBe('512000\n')
})

dockerTest('start() delivers signals to the whole group, and kills what ignores them', async () => {
  const trapped = start([
    'sh',
    '-c',
    'trap "echo got; exit 9" INT; echo on; while :; do sleep 0.1; done',
  ])
  await trapped.shows('on')
  trapped.command.signal('SIGINT')
  expect(await trapped.command.result).toMatchObject({ exitCode: 9 })
  const deaf = start(['sh', '-c', 'trap "" INT TERM; echo on; while :; do sleep 0.1; done'])
  await deaf.shows('on')
  deaf.command.signal('SIGTERM')
  deaf.command.kill()
  expect(await deaf.command.result).toMatchObject({ signal: 'SIGKILL' })
  expect(() => deaf.command.signal('SIGNOTHING')).toThrow(/no such signal/)
})
