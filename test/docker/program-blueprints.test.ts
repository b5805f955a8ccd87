import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { sampleRepository, type TestRepository } from '../helpers/program.ts'

const WRONG = 'Math.floor(total / size) + 1'
const RIGHT = 'Math.max(1, Math.ceil(total / size))'

/** A model that makes one edit in `stage` and says it is done. */
function fixing(repository: TestRepository, stage: string): string {
  const edit = { path: 'src/pages.js', old_text: WRONG, new_text: RIGHT }
  const turns = [
    { expect: { stage }, reply: { tool_calls: [{ name: 'edit_file', args: edit }] } },
    {
      expect: { stage, last_tool: { ok: true } },
      reply: { tool_calls: [{ name: 'finish', args: { status: 'done', summary: 'Fixed' } }] },
    },
  ]
  return repository.write('model.yaml', JSON.stringify({ provider: 'scripted', turns }))
}

const TASK = ['--task', 'Full pages are followed by an empty one: fix pageCount in src/pages.js']

dockerTest('command passes the streams through and its exit code becomes a verdict', async () => {
  using repository = sampleRepository()
  const argv = ['sh', '-c', 'echo out; echo err >&2; exit 7']
  const ended = await repository.openexec('run', '--image', 'base', '--', ...argv)
  expect(ended.code).toBe(1)
  expect(ended.stdout).toBe('out\n')
  expect(ended.stderr).toContain('err\n')
  expect(ended.stderr).toContain('exited 7')
  expect(repository.leftovers()).toEqual([])
})

dockerTest('check fails with the tests of the repository and says which', async () => {
  using repository = sampleRepository()
  const result = await repository.run('check')
  expect(result).toMatchObject({ status: 'failed', reason: 'tests_failed', exit_code: 1 })
  expect(result.stages.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual([
    'run_setup skipped',
    'run_linters succeeded',
    'run_tests failed',
    'summarize_failed_run succeeded',
  ])
  const report = await repository.openexec('artifacts', 'get', result.run, 'test_report')
  expect(JSON.parse(report.stdout)).toMatchObject({
    counts: { total: 4, passed: 3, failed: 1, skipped: 0 },
    failures: [{ name: 'full pages are not followed by an empty one' }],
  })
  expect(repository.leftovers()).toEqual([])
})

dockerTest('check that finds nothing to run is no pass', async () => {
  using repository = sampleRepository()
  repository.write('package.json', '{"name":"pages","type":"module"}')
  repository.commit('No scripts')
  const result = await repository.run('check')
  expect(result).toMatchObject({ status: 'failed', reason: 'not_configured', exit_code: 2 })
})

for (const [blueprint, stage] of [
  ['backend_bugfix', 'implement'],
  ['scoped_code_change', 'implement'],
  ['debug_ci_failure', 'fix_failure'],
] as const)
  dockerTest(`${blueprint} fixes the bug, and apply brings it home`, async () => {
    using repository = sampleRepository()
    const script = fixing(repository, stage)
    const result = await repository.run(blueprint, ...TASK, '--model-script', script)
    expect(result).toMatchObject({ status: 'succeeded', exit_code: 0 })
    expect(result.diff).toEqual({ files: 1, insertions: 1, deletions: 1 })
    expect(repository.git('diff', '--name-only')).toBe('')
    expect((await repository.openexec('apply', result.run)).code).toBe(0)
    expect(repository.git('diff')).toContain(`+  return ${RIGHT}`)
    expect(repository.leftovers()).toEqual([])
  })

dockerTest('an agent that lies is found out by the tests', async () => {
  using repository = sampleRepository()
  const finish = { name: 'finish', args: { status: 'done', summary: 'All tests pass' } }
  const turns = [{ reply: { tool_calls: [finish], times: 10 } }]
  const script = repository.write('model.yaml', JSON.stringify({ provider: 'scripted', turns }))
  const result = await repository.run('scoped_code_change', ...TASK, '--model-script', script)
  expect(result.status).toBe('failed')
  expect(result.exit_code).toBe(1)
  expect(repository.leftovers()).toEqual([])
})

dockerTest('an agent blueprint without a model ends with exit code 3 and the remedy', async () => {
  using repository = sampleRepository()
  const result = await repository.run('backend_bugfix', ...TASK)
  expect(result).toMatchObject({ status: 'failed', reason: 'no_model_configured', exit_code: 3 })
  expect(result.detail).toContain('--model-script')
})
