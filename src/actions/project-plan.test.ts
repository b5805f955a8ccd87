import { expect, test } from 'vitest'
import { planProject } from './project-plan.ts'

const plan = (files: Record<string, string>) => planProject(async (path) => files[path])

test('planProject() takes the commands of openexec.yaml first', async () => {
  const project = await plan({
    'openexec.yaml': 'commands: { test: [make, "-s", check], lint: eslint . }\nimage: node\n',
    'package.json': '{"scripts":{"test":"node --test","lint":"x"}}',
  })
  expect(project.test).toEqual({
    argv: ['make', '-s', 'check'],
    because: 'openexec.yaml commands.test',
    timeoutMs: undefined,
  })
  expect(project.lint?.argv).toEqual(['eslint', '.'])
  expect(project.image).toBe('node')
})

test('planProject() detects package.json scripts and knows the npm placeholder', async () => {
  const found = await plan({
    'package.json': '{"scripts":{"test":"node --test","lint":"eslint ."}}',
  })
  expect(found.test).toMatchObject({ argv: ['npm', 'test'], because: 'package.json scripts.test' })
  expect(found.lint?.argv).toEqual(['npm', 'run', 'lint'])
  expect(found.suggestedImage).toBe('node')
  const none = await plan({
    'package.json': '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}',
  })
  expect(none.test).toBeUndefined()
})

test.each([
  ['pyproject.toml', '[tool.pytest.ini_options]', ['python3', '-m', 'pytest', '-q'], 'python'],
  ['setup.py', '', ['python3', '-m', 'unittest', 'discover', '-v'], 'python'],
  ['go.mod', 'module x', ['go', 'test', './...'], 'base'],
  ['Cargo.toml', '[package]', ['cargo', 'test', '--offline'], 'base'],
  ['Makefile', 'all:\n\ntest: all\n\tprove\n', ['make', 'test'], 'base'],
])('planProject() detects tests by %s', async (file, text, argv, image) => {
  const project = await plan({ [file]: text })
  expect(project.test?.argv).toEqual(argv)
  expect(project.suggestedImage).toBe(image)
})

test('planProject() finds nothing in an empty repository', async () => {
  expect(await plan({})).toMatchObject({ setup: undefined, lint: undefined, test: undefined })
})

test('planProject() survives package.json that is not what it seems', async () => {
  for (const text of ['', '[]', 'null', '{"scripts":7}', '{"scripts":{"test":7}}', '{'])
    expect((await plan({ 'package.json': text })).test).toBeUndefined()
})

test('planProject() names file, line and column of a bad openexec.yaml', async () => {
  await expect(plan({ 'openexec.yaml': 'commands:\n  tset: npm test\n' })).rejects.toThrow(
    /openexec\.yaml:2:3: Unknown key "tset"/,
  )
  await expect(plan({ 'openexec.yaml': 'commands: { test: "a | b" }\n' })).rejects.toThrow(
    /write argv as a list/,
  )
  await expect(plan({ 'openexec.yaml': 'reports: { junit: ["../x.xml"] }\n' })).rejects.toThrow(
    /inside the repository/,
  )
})
