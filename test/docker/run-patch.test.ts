import fs from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dockerTest } from '../helpers/docker.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

const BASE = {
  'keep.txt': 'one\ntwo\nthree\n',
  'gone.txt': 'gone\n',
  'old/name.txt': Array.from({ length: 20 }, (_, line) => `line ${line}\n`).join(''),
  'dos.txt': 'a\r\nb\r\nc\r\n',
  'bare.txt': 'no newline at the end',
  'run.sh': '#!/bin/sh\necho run\n',
}

function blueprint(world: RunWorld, stage = ''): string {
  world.write(
    'apply.yaml',
    `version: 1\nname: apply\ndescription: Apply\nstages: [{ id: apply, type: deterministic, action: apply_patch${stage} }]\n`,
  )
  return join(world.repo, 'apply.yaml')
}

/** Makes the change, and gives back git's own patch of it and the tree it leads to. */
function target(world: RunWorld, change: () => void): { patch: string; tree: string } {
  const base = world.git('rev-parse', 'HEAD').trim()
  change()
  world.commit()
  const patch = world.git('diff', '--binary', '--find-renames', base, 'HEAD')
  const tree = world.git('rev-parse', 'HEAD^{tree}').trim()
  world.git('reset', '--quiet', '--hard', base)
  return { patch, tree }
}

dockerTest('apply_patch makes of the base exactly the tree that git would', async () => {
  const world = await open(BASE)
  const { patch, tree } = target(world, () => {
    const at = (path: string) => join(world.repo, path)
    world.write('keep.txt', 'one\n2\nthree\nfour\n')
    world.write('new/deep/file.txt', 'added\n')
    world.write('bin.dat', Buffer.from([0, 1, 2, 255, 254, 0]))
    world.write('dos.txt', 'a\r\nB\r\nc\r\n')
    world.write('bare.txt', 'still no newline at the end')
    fs.rmSync(at('gone.txt'))
    fs.renameSync(at('old'), at('moved'))
    fs.appendFileSync(at('moved/name.txt'), 'line 20\n')
    fs.chmodSync(at('run.sh'), 0o755)
  })
  const ended = await world.run({ blueprint: blueprint(world), inputs: { patch } })
  expect(ended.result).toMatchObject({ status: 'succeeded' })
  expect(ended.run.headTree).toBe(tree)
  expect(timelineOf(ended)).toEqual(WHOLE)
})

dockerTest(
  'apply_patch that fits in part changes nothing and says which hunk and why',
  async () => {
    const world = await open(BASE)
    const { patch } = target(world, () => {
      world.write('gone.txt', 'changed\n')
      world.write('keep.txt', 'one\n2\nthree\n')
    })
    world.write('keep.txt', 'other\n\u001b[2Jlines\n')
    world.commit()
    const ended = await world.run({ blueprint: blueprint(world), inputs: { patch } })
    expect(ended.result).toMatchObject({
      reason: 'patch_rejected',
      exit_code: 1,
      diff: { files: 0 },
    })
    expect(ended.result.detail).toMatch(/keep\.txt/)
    expect(ended.result.detail).not.toContain('\u001b')
    const report: unknown = JSON.parse(await world.artifact(ended.run, 'patch_applied'))
    expect(report).toMatchObject({ status: 'rejected' })
    expect(timelineOf(ended)).toEqual(WHOLE)
  },
)

dockerTest('apply_patch takes a patch that is applied already for done', async () => {
  const world = await open(BASE)
  const { patch } = target(world, () => world.write('keep.txt', 'one\n2\nthree\n'))
  world.write('keep.txt', 'one\n2\nthree\n')
  world.commit()
  const ended = await world.run({ blueprint: blueprint(world), inputs: { patch } })
  expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 0 } })
})

const denied = [
  ['a denied path', 'keep.txt', 'paths: { deny_write: [keep.txt] }', 'policy_blocked'],
  ['a path of git', '.git/config', '', 'patch_rejected'],
  ['a path outside', '../x', '', 'patch_rejected'],
] as const
for (const [name, path, rules, reason] of denied)
  dockerTest(`apply_patch refuses ${name} and changes nothing`, async () => {
    const world = await open(BASE)
    world.write('run.policy.yaml', `version: 1\n${rules}\n`)
    const patch = `--- a/bare.txt\n+++ b/bare.txt\n@@ -1 +1 @@\n-no newline at the end\n\\ No newline at end of file\n+x\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+x\n`
    const policyFile = join(world.repo, 'run.policy.yaml')
    const ended = await world.run({ blueprint: blueprint(world), inputs: { patch }, policyFile })
    expect(ended.result).toMatchObject({ status: 'failed', reason, diff: { files: 0 } })
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

dockerTest('apply_patch changes nothing in read_only, before any sandbox', async () => {
  const world = await open(BASE)
  const { patch } = target(world, () => world.write('keep.txt', 'x\n'))
  const request = { blueprint: blueprint(world), inputs: { patch }, sandbox: 'read_only' } as const
  const ended = await world.run(request)
  expect(ended.result).toMatchObject({ reason: 'policy_blocked', exit_code: 5 })
  expect(ended.types).not.toContain('sandbox_started')
})

dockerTest('apply_patch reads a patch of the repository, and says which is missing', async () => {
  const world = await open(BASE)
  const { patch } = target(world, () => world.write('keep.txt', 'x\n'))
  world.write('fix.patch', patch)
  world.commit()
  const ended = await world.run({ blueprint: blueprint(world, ', with: { file: fix.patch }') })
  expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
  const missing = await world.run({ blueprint: blueprint(world, ', with: { file: no.patch }') })
  expect(missing.result).toMatchObject({ reason: 'not_configured', exit_code: 2 })
  expect(missing.result.detail).toContain('no.patch')
  const none = await world.run({ blueprint: blueprint(world) })
  expect(none.result).toMatchObject({ reason: 'not_configured', exit_code: 2 })
})
