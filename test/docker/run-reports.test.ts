import { join } from 'node:path'
import { expect } from 'vitest'
import { z } from 'zod'
import { dockerTest } from '../helpers/docker.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

const Report = z.object({
  format: z.string(),
  counts: z.object({ passed: z.number(), failed: z.number() }),
  notes: z.array(z.string()),
})

/** A repository whose test command is a shell script. */
async function openWith(script: string, junit: string, files: Record<string, string> = {}) {
  return await open({
    'openexec.yaml': `commands: { test: [sh, test.sh] }\nreports: { junit: [${junit}] }\n`,
    'test.sh': script,
    '.gitignore': 'out/\n*.xml\n',
    ...files,
  })
}

const suite = (...cases: string[]) => `<testsuite name="s">${cases.join('')}</testsuite>`
const PASSED = '<testcase name="a"/>'
const FAILED = '<testcase name="b"><failure message="no"/></testcase>'

async function check(world: RunWorld) {
  const ended = await world.run({ blueprint: 'check' })
  return { ended, report: Report.parse(JSON.parse(await world.artifact(ended.run, 'test_report'))) }
}

dockerTest('reports in ignored paths are found, also below directories', async () => {
  const world = await openWith(
    `mkdir -p out/a/b node_modules/x; echo '${suite(PASSED)}' > out/a/b/r.xml; echo '${suite(FAILED)}' > out/one.xml; cp out/one.xml node_modules/x/`,
    '"**/*.xml"',
  )
  const { ended, report } = await check(world)
  expect(report).toMatchObject({ format: 'junit', counts: { passed: 1, failed: 1 } })
  // The exit code decides, and that they disagree is said.
  expect(ended.result.status).toBe('succeeded')
  expect(report.notes.join()).toContain('exit code decides')
})

dockerTest('a report that was there before the command is not its word', async () => {
  const world = await openWith('true', 'junit.xml, "out/*.xml"', {
    'junit.xml': suite(FAILED),
    'setup.sh': `mkdir out; echo '${suite(PASSED)}' > out/old.xml`,
    'openexec.yaml':
      'commands: { setup: [sh, setup.sh], test: [sh, test.sh] }\nreports: { junit: [junit.xml, "out/*.xml"] }\n',
  })
  world.git('add', '--force', 'junit.xml')
  world.commit()
  const { report } = await check(world)
  expect(report).toMatchObject({ format: 'none', counts: { passed: 0, failed: 0 } })
})

dockerTest('hostile reports cost little and change no verdict', async () => {
  const world = await openWith(
    `mkdir out; cd out
mkfifo pipe.xml; ln -s /etc/passwd link.xml; mkdir dir.xml
head -c 20000000 /dev/zero | tr '\\0' 'x' > huge.xml
yes '<a>' | head -200000 | tr -d '\\n' > deep.xml
printf '<!DOCTYPE x [<!ENTITY a "b">]><testsuite>&a;</testsuite>' > entity.xml
for i in $(seq 200); do echo '${suite(PASSED)}' > many-$i.xml; done
exit 1`,
    '"out/*.xml"',
  )
  const started = performance.now()
  const { ended, report } = await check(world)
  expect(ended.result).toMatchObject({ status: 'failed', reason: 'tests_failed' })
  expect(report.counts.passed).toBeGreaterThan(40)
  expect(report.notes.join('\n')).toMatch(/entity\.xml": it declares entities/)
  expect(report.notes.join('\n')).toMatch(/huge\.xml": it is too large/)
  expect(performance.now() - started).toBeLessThan(30_000)
  expect(timelineOf(ended)).toEqual(WHOLE)
})

dockerTest('a report of the same stage of an earlier attempt is replaced', async () => {
  const world = await openWith(
    `mkdir -p out; test -e out/ran || { touch out/ran; echo '${suite(FAILED)}' > out/r.xml; exit 1; }`,
    '"out/*.xml"',
  )
  world.write(
    'twice.yaml',
    `version: 1
name: twice
description: Twice
stages:
  - { id: first, type: deterministic, action: run_tests, on_success: fail, on_failure: second }
  - { id: second, type: deterministic, action: run_tests }
`,
  )
  const ended = await world.run({ blueprint: join(world.repo, 'twice.yaml') })
  expect(ended.ends).toEqual(['first.1 failed tests_failed', 'second.1 succeeded'])
  const report: unknown = JSON.parse(await world.artifact(ended.run, 'test_report'))
  expect(report).toMatchObject({ format: 'none' })
})

dockerTest('a broken openexec.yaml is told before there is a run', async () => {
  const world = await open({ 'openexec.yaml': 'commands:\n  tests: npm test\n' })
  await expect(world.submit({ blueprint: 'check' })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('openexec.yaml:2:3'),
  })
  const ended = await world.shell('echo a command asks the repository for nothing')
  expect(ended.result.status).toBe('succeeded')
})
