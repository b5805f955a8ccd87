import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JsonValue } from '../../src/schema/index.ts'
import { callTool, findToolset, TOOLS, toolSpecs, TOOLSETS } from '../../src/tools/index.ts'
import { type LocalSandbox, openLocalSandbox } from '../helpers/local-sandbox.ts'
import { type ToolWorldOptions, toolWorld } from '../helpers/tool-context.ts'

let sandbox: LocalSandbox
beforeEach(async () => {
  sandbox = await openLocalSandbox({
    'src/sum.js': 'export function sum(list) {\n  let total = 1\n  return total\n}\n',
    'src/deep/other.js': 'const total = 2\n',
    'README.md': '# Sum\n',
    'secrets/key.txt': 'total secret\n',
  })
})
afterEach(() => sandbox.close())

const at = (path: string) => join(sandbox.root, path)
const read = (path: string) => readFileSync(at(path), 'utf8')

async function call(name: string, args: JsonValue, options: Partial<ToolWorldOptions> = {}) {
  const world = toolWorld(sandbox, options)
  return { ...world, result: await callTool(world.context, { id: 'c1', name, args }) }
}

async function textOf(name: string, args: JsonValue, options: Partial<ToolWorldOptions> = {}) {
  const { result } = await call(name, args, options)
  return `${result.ok ? 'ok' : result.failure}: ${result.text}`
}

test('read_file shows numbered lines and ranges', async () => {
  expect(await textOf('read_file', { path: './src/sum.js', start_line: 2, end_line: 3 })).toBe(
    'ok: src/sum.js: lines 2-3 of 4\n     2\t  let total = 1\n     3\t  return total',
  )
  expect(await textOf('read_file', { path: 'src/sum.js', start_line: 9 })).toContain('has 4 lines')
})

test('read_file refuses what is no text file in the repository', async () => {
  symlinkSync('/etc/passwd', at('passwd'))
  symlinkSync('secrets', at('link'))
  writeFileSync(at('image.png'), Buffer.from([137, 80, 0, 1]))
  expect(await textOf('read_file', { path: 'passwd' })).toMatch(/^tool_failed.*no regular file/)
  expect(await textOf('read_file', { path: 'link/key.txt' })).toMatch(/^tool_failed/)
  expect(await textOf('read_file', { path: 'image.png' })).toMatch(/binary file of 4 bytes/)
  expect(await textOf('read_file', { path: 'src' })).toMatch(/is a directory/)
  expect(await textOf('read_file', { path: 'none' })).toMatch(/no such file/)
  for (const path of ['/etc/passwd', '../x', 'src/../../x', '.git/config', 'a\0b'])
    expect(await textOf('read_file', { path })).toMatch(/^bad_arguments/)
})

test('read_file shows head and tail of a long file, and read_artifact the rest', async () => {
  const lines = Array.from({ length: 9000 }, (_, i) => `line ${i} ${'x'.repeat(20)}`)
  writeFileSync(at('long.txt'), lines.join('\n'))
  const { result, context, kept } = await call('read_file', { path: 'long.txt', end_line: 9000 })
  expect(result.text).toContain('line 0 ')
  expect(result.text).toContain('line 8999 ')
  expect(result.text).toContain('bytes are left out here')
  expect(Buffer.byteLength(result.text)).toBeLessThan(50 * 1024)
  const sha256 = result.kept?.sha256 ?? ''
  expect(kept.get(sha256)?.length).toBe(result.outputBytes)
  const args = { sha256, offset: 200_000, length: 100 }
  const more = await callTool(context, { id: 'c2', name: 'read_artifact', args })
  expect(more.text).toMatch(/^Bytes 200000-200100 of \d+\n/)
  const unknown = { id: 'c3', name: 'read_artifact', args: { sha256: '0'.repeat(64) } }
  expect((await callTool(context, unknown)).ok).toBe(false)
})

test('list_directory, glob and grep leave out what policy hides', async () => {
  const options = { denyRead: ['secrets'] }
  expect(await textOf('list_directory', {}, options)).toBe(
    'ok: README.md (6 bytes)\nsrc/\n[1 entries are hidden by policy]',
  )
  expect(await textOf('list_directory', { path: 'secrets' }, options)).toMatch(/^policy_blocked/)
  expect(await textOf('glob', { pattern: '**' }, options)).toBe(
    'ok: README.md\nsrc/deep/other.js\nsrc/sum.js',
  )
  const hits =
    'src/deep/other.js:1: const total = 2\nsrc/sum.js:2:   let total = 1\nsrc/sum.js:3:   return total'
  expect(await textOf('grep', { pattern: 'total' }, options)).toBe(`ok: ${hits}`)
  expect(await textOf('grep', { pattern: 'total' })).toContain('secrets/key.txt')
})

test('grep takes a pattern literally unless told otherwise', async () => {
  expect(await textOf('grep', { pattern: 'sum(list)' })).toContain('src/sum.js:1:')
  expect(await textOf('grep', { pattern: 'sum.list', regex: true })).toContain('src/sum.js:1:')
  expect(await textOf('grep', { pattern: '--version' })).toBe('ok: No line matches')
  expect(await textOf('grep', { pattern: '(', regex: true })).toMatch(
    /^tool_failed: The search failed/,
  )
  expect(await textOf('grep', { pattern: 'TOTAL', ignore_case: true, path: 'src/deep' })).toBe(
    'ok: src/deep/other.js:1: const total = 2',
  )
})

test('glob lists files within a directory and refuses a wrong pattern', async () => {
  expect(await textOf('glob', { pattern: '*.{js,ts}', path: 'src' })).toBe('ok: src/sum.js')
  expect(await textOf('glob', { pattern: 'src/**/*.js' })).toBe('ok: src/deep/other.js\nsrc/sum.js')
  expect(await textOf('glob', { pattern: '{a' })).toMatch(/^tool_failed.*unbalanced/)
})

test('edit_file changes the only place and asks for reading and writing', async () => {
  const args = { path: 'src/sum.js', old_text: 'total = 1', new_text: 'total = 0' }
  const { result, gated } = await call('edit_file', args)
  expect(result).toMatchObject({ ok: true, text: 'Changed src/sum.js' })
  expect(read('src/sum.js')).toContain('let total = 0')
  expect(gated.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    'allow repo_read edit_file',
    'allow repo_write edit_file',
  ])
  expect(await textOf('edit_file', args)).toMatch(/^ok: Nothing to do/)
})

test('edit_file shows the nearest lines and changes nothing when the text is not there', async () => {
  const before = read('src/sum.js')
  const text = await textOf('edit_file', {
    path: 'src/sum.js',
    old_text: 'let totl = 1',
    new_text: 'x',
  })
  expect(text).toMatch(/^tool_failed: context_not_found/)
  expect(text).toContain('let total = 1')
  expect(read('src/sum.js')).toBe(before)
})

test('edit_file shows nothing of a file that may not be read', async () => {
  const text = await textOf(
    'edit_file',
    { path: 'secrets/key.txt', old_text: 'totl secrt', new_text: 'x' },
    { denyRead: ['secrets'] },
  )
  expect(text).toMatch(/^policy_blocked/)
  expect(text).not.toContain('total secret')
})

test('write_file makes files, keeps modes, and replaces only when told', async () => {
  expect(await textOf('write_file', { path: 'bin/run.sh', content: 'x', executable: true })).toBe(
    'ok: Added bin/run.sh (1 bytes)',
  )
  expect(statSync(at('bin/run.sh')).mode & 0o777).toBe(0o755)
  expect(await textOf('write_file', { path: 'bin/run.sh', content: 'y' })).toMatch(/already/)
  expect(await textOf('write_file', { path: 'bin/run.sh', content: 'y', overwrite: true })).toMatch(
    /^ok/,
  )
  expect(statSync(at('bin/run.sh')).mode & 0o777).toBe(0o755)
  expect(await textOf('write_file', { path: 'src', content: 'y' })).toMatch(/a directory/)
  expect(await textOf('write_file', { path: 'README.md/x', content: 'y' })).toMatch(/^tool_failed/)
  expect(
    await textOf('write_file', { path: '.github/x.yml', content: '' }, { denyWrite: ['.github'] }),
  ).toMatch(/^policy_blocked/)
  expect(existsSync(at('.github'))).toBe(false)
})

test('apply_patch asks for every file and changes all of them or none', async () => {
  const patch = `*** Begin Patch
*** Update File: src/sum.js
@@
-  let total = 1
+  let total = 0
*** Delete File: README.md
*** Add File: docs/new.md
+hello
*** End Patch`
  const blocked = await call('apply_patch', { patch }, { denyWrite: ['README.md'] })
  expect(blocked.result).toMatchObject({ ok: false, failure: 'policy_blocked' })
  expect(read('src/sum.js')).toContain('total = 1')
  expect(await textOf('apply_patch', { patch })).toBe(
    'ok: Added docs/new.md\nChanged src/sum.js\nDeleted README.md',
  )
  expect(existsSync(at('README.md'))).toBe(false)
  expect(await textOf('apply_patch', { patch: 'nonsense' })).toMatch(/^bad_arguments.*patch_syntax/)
})

test('apply_patch undoes what it did when a later write fails', async () => {
  chmodSync(at('src/sum.js'), 0o755)
  symlinkSync('/nowhere', at('dangling'))
  const patch =
    '*** Begin Patch\n*** Delete File: src/sum.js\n*** Add File: a.txt\n+x\n*** Add File: z/y.txt\n+x\n*** End Patch'
  const failing: LocalSandbox = {
    ...sandbox,
    writeFile: async (path, content, options) => {
      if (path.endsWith('y.txt')) throw new Error('Disk is full')
      await sandbox.writeFile(path, content, options)
    },
  }
  const { context } = toolWorld(failing)
  await expect(
    callTool(context, { id: 'c', name: 'apply_patch', args: { patch } }),
  ).rejects.toThrow('Disk')
  expect(read('src/sum.js')).toContain('total = 1')
  expect(statSync(at('src/sum.js')).mode & 0o777).toBe(0o755)
  expect(existsSync(at('a.txt'))).toBe(false)
})

test('run_action runs only the actions of the toolset', async () => {
  const good = await call('run_action', { name: 'run_tests' })
  expect([good.result.text, good.actions]).toEqual(['run_tests passed', ['run_tests']])
  const bad = await call('run_action', { name: 'commit_changes' })
  expect([bad.result.ok, bad.actions]).toEqual([false, []])
})

test('git_diff shows only sections that may be read', async () => {
  const section = (path: string) =>
    `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-a\n+diff --git\n`
  const world = toolWorld(sandbox, { denyRead: ['secrets'] })
  const context = {
    ...world.context,
    patch: async () => Buffer.from(section('src/sum.js') + section('secrets/key.txt')),
    changes: async () => [
      { path: 'src/sum.js', status: 'modified' },
      { path: 'secrets/key.txt', status: 'modified' },
    ],
  }
  const diff = await callTool(context, { id: 'c', name: 'git_diff', args: {} })
  expect(diff.text).toBe(section('src/sum.js'))
  const status = await callTool(context, { id: 'c', name: 'git_status', args: {} })
  expect(status.text).toBe('modified src/sum.js')
})

test('callTool() answers unknown tools and wrong arguments with what would be right', async () => {
  expect(await textOf('shell', { command: 'id' })).toMatch(
    /^unknown_tool: There is no tool "shell"/,
  )
  expect(
    await textOf('write_file', { path: 'a', content: 'b' }, { toolset: 'repo_readonly' }),
  ).toMatch(/^unknown_tool/)
  const text = await textOf('read_file', { file: 'x' })
  expect(text).toMatch(/^bad_arguments/)
  expect(text).toContain('Example: {"path":"src/index.ts"')
  for (const args of [
    'x',
    null,
    [],
    7,
    { path: 'a', start_line: -1 },
    { path: 'x'.repeat(40_000) },
  ])
    expect(await textOf('read_file', args)).toMatch(/^bad_arguments/)
  let deep: JsonValue = 'x'
  for (let i = 0; i < 100_000; i++) deep = [deep]
  expect(await textOf('read_file', deep)).toMatch(/^bad_arguments.*\n.*deeper than/)
})

test('callTool() stops a tool that does not end', async () => {
  const world = toolWorld(sandbox)
  const tool = TOOLS.find(({ name }) => name === 'git_log')
  if (tool === undefined) throw new Error('No git_log')
  const controller = new AbortController()
  const context = {
    ...world.context,
    signal: controller.signal,
    log: () => new Promise<string>(() => {}),
  }
  const pending = callTool(context, { id: 'c', name: 'git_log', args: {} })
  controller.abort(new Error('Enough'))
  await expect(pending).rejects.toThrow('Enough')
})

test('every toolset names tools that exist, has finish, and no shell', () => {
  const names = TOOLS.map(({ name }) => name)
  for (const toolset of TOOLSETS) {
    expect(toolset.tools.filter((name) => !names.includes(name))).toEqual([])
    expect(toolset.tools).toContain('finish')
    expect(toolset.tools.join()).not.toMatch(/shell|exec|bash/)
    const specs = toolSpecs({ toolset, extras: [] }).map(({ name }) => name)
    expect(specs).toEqual([...specs].sort())
    expect(specs).toHaveLength(toolset.tools.length)
  }
  expect(() => findToolset('root')).toThrow(/Cannot find toolset "root"/)
})

test('every tool has a schema, and an example that its schema takes', () => {
  for (const tool of TOOLS) {
    expect(tool.parameters).toMatchObject({ type: 'object', additionalProperties: false })
    expect(tool.input.safeParse(tool.example).success, tool.name).toBe(true)
    expect(tool.description.length).toBeGreaterThan(20)
  }
})
