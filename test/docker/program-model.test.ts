import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { PROTOCOLS, type Spoken, TEST_KEY } from '../helpers/model-protocols.ts'
import { openModelServer } from '../helpers/model-server.ts'
import { sampleRepository } from '../helpers/program.ts'

const EDIT = {
  path: 'src/pages.js',
  old_text: 'Math.floor(total / size) + 1',
  new_text: 'Math.max(1, Math.ceil(total / size))',
}
const ANSWERS: [name: string, args: object][] = [
  ['read_file', { path: EDIT.path }],
  ['edit_file', EDIT],
  ['run_action', { name: 'run_tests' }],
  ['finish', { status: 'done', summary: 'Fixed' }],
]
const TASK = ['--task', 'Full pages are followed by an empty one: fix pageCount in src/pages.js']
const RUN = ['backend_bugfix', ...TASK]

function spoken(call: number): Spoken {
  const [name, args] = ANSWERS[call - 1] ?? ['finish', { status: 'failed', summary: 'Lost' }]
  const calls = [{ id: `c${call}`, name, args: JSON.stringify(args) }]
  return { text: '', calls, input: 2000, cached: 500, output: 60, stop: 'tools' }
}

/** Every file below a directory that holds the text. */
function holding(directory: string, text: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(directory, name)
    return statSync(path).isFile() && readFileSync(path, 'latin1').includes(text)
  })
}

dockerTest(
  'a run with a real adapter is recorded, and repeated without server and key',
  async () => {
    const chat = PROTOCOLS.find(({ provider }) => provider === 'openai-chat')
    if (chat === undefined) throw new Error('No such protocol')
    using first = sampleRepository()
    using second = sampleRepository()
    const config = join(first.path, '.git/model.yaml')
    const cassette = join(first.path, '.git/fix.cassette')
    const replay = ['--cassette', cassette, '--cassette-mode', 'replay']
    const before = { ...process.env }
    try {
      const recorded = await (async () => {
        let calls = 0
        await using server = await openModelServer((response) => {
          response.writeHead(200, { 'content-type': chat.contentType })
          response.end(chat.frames(spoken((calls += 1))).join(''))
        })
        const settings = {
          use: 'openai-chat/m-1',
          base_url: `${server.url}/v1`,
          price: { input: 1, output: 2 },
        }
        first.write('.git/model.yaml', JSON.stringify({ model: settings }))
        Object.assign(process.env, { OPENEXEC_CONFIG: config, OPENEXEC_MODEL_KEY: TEST_KEY })
        const result = await first.run(...RUN, '--cassette', cassette, '--cassette-mode', 'record')
        expect(server.received.map(({ path }) => path)).toEqual(
          Array(4).fill('/v1/chat/completions'),
        )
        expect(server.received[0]?.headers.authorization).toBe(`Bearer ${TEST_KEY}`)
        return result
      })()
      expect(recorded).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
      expect(holding(first.path, TEST_KEY)).toEqual([])
      expect(holding(join(first.path, '.git'), '"openexec_cassette"')).toEqual(['fix.cassette'])

      delete process.env['OPENEXEC_MODEL_KEY']
      const again = await second.run(...RUN, ...replay)
      expect(again).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
      expect((await second.openexec('replay', again.run)).code).toBe(0)

      using other = sampleRepository()
      const missed = await other.run(
        'backend_bugfix',
        '--task',
        'Something else in src/pages.js',
        ...replay,
      )
      expect(missed).toMatchObject({ reason: 'script_mismatch', exit_code: 1 })
      expect(missed.detail).toContain('The nearest one differs')
    } finally {
      process.env = before
    }
  },
)

dockerTest('a run refuses a model that is not here where it must be', async () => {
  using repository = sampleRepository()
  const argv = ['run', ...RUN, '--model', 'openai/gpt-5', '--local-model-only']
  const ended = await repository.openexec(...argv)
  expect(ended.code).toBe(5)
  expect(ended.stderr).toContain('it is not on this machine')
})
