/** Sandboxes for direct use, through the program itself on the real engine. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openexec, startOpenexec, testDirectory } from '../helpers/cli.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'

const SBX = /^sbx_[0-9a-z]{16}\n$/

async function containers(id: string): Promise<number> {
  const filters = { label: [`openexec.sandbox=${id}`] }
  return (await testEngine().docker.listContainers({ all: true, filters })).length
}

dockerTest('a sandbox lives on between commands until it is removed', async () => {
  using directory = testDirectory()
  const cwd = directory.path
  const ask = (args: string[], ...command: string[]) =>
    openexec(['sandbox', ...args, '--state', 'st', ...command], { cwd })
  const created = await ask(['create', '--ttl', '10m'])
  expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(SBX) })
  const id = created.stdout.trim()
  const run = (...command: string[]) => ask(['exec', id.slice(0, 12)], '--', ...command)

  // Every exit code passes through, and what one process leaves the next one finds.
  const script =
    'echo $A $PWD > ../workspace/a; ln -s /etc/passwd /workspace/link; echo out; echo err >&2; exit 255'
  expect(await ask(['exec', id, '-e', 'A=1', '-w', '/tmp'], '--', 'sh', '-c', script)).toEqual({
    code: 255,
    stdout: 'out\n',
    stderr: 'err\n',
  })
  expect((await ask(['exec', id, '--timeout', '1s'], '--', 'sleep', '60')).code).toBe(124)
  expect(await run('sh', '-c', 'cat a; kill -TERM $$')).toEqual({
    code: 143,
    stdout: '1 /tmp\n',
    stderr: '',
  })

  // Files in and out, byte for byte, and nothing through a link.
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256))
  writeFileSync(join(cwd, 'in.bin'), bytes)
  expect(await ask(['cp', 'in.bin', `${id}:/workspace/deep/`])).toMatchObject({ code: 0 })
  expect(await ask(['cp', `${id}:deep/in.bin`, 'out.bin'])).toMatchObject({ code: 0 })
  expect(readFileSync(join(cwd, 'out.bin')).equals(bytes)).toBe(true)
  expect(await ask(['cp', `${id}:link`, 'stolen'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('symbolic link'),
  })

  // One process at a time; a killed one holds nothing and leaves nothing running.
  const holder = startOpenexec(
    ['sandbox', 'exec', id, '--state', 'st', '--', 'sh', '-c', 'echo on; exec sleep 300'],
    { cwd },
  )
  await holder.shows('on')
  expect(await run('true')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/process \d+ is using it, and one process at a time can/),
  })
  holder.process.kill('SIGKILL')
  await holder.ended
  expect((await run('sh', '-c', 'cat /proc/[0-9]*/comm')).stdout).not.toContain('sleep')

  expect((await ask(['stop', id])).code).toBe(0)
  expect(JSON.parse((await ask(['ls', '--json'])).stdout)).toMatchObject({
    sandboxes: [{ id, state: 'stopped' }],
  })
  expect(await run('true')).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('has ended'),
  })
  expect((await ask(['rm', id])).code).toBe(0)
  expect(await containers(id)).toBe(0)
})

dockerTest(
  'a sandbox ends by itself when its time is over, and gc removes what is left',
  async () => {
    using directory = testDirectory()
    const cwd = directory.path
    const created = await openexec(['sandbox', 'create', '--ttl', '2s', '--state', 'st'], { cwd })
    const id = created.stdout.trim()
    const end = Date.now() + 20_000
    const isRunning = async () => {
      const filters = { label: [`openexec.sandbox=${id}`] }
      return (await testEngine().docker.listContainers({ filters })).length > 0
    }
    while ((await isRunning()) && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await isRunning()).toBe(false)
    expect((await openexec(['gc', '--state', 'st'], { cwd })).code).toBe(0)
    expect(await containers(id)).toBe(0)
    expect((await openexec(['sandbox', 'ls', '--state', 'st', '--json'], { cwd })).stdout).toBe(
      '{"sandboxes":[]}\n',
    )
  },
)
