/**
 * What the engine says of a sandbox, field by field, against a table under review: a change of any
 * setting shows here as a difference somebody has to agree to. Written anew with
 * OPENEXEC_WRITE_GOLDEN=1.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, expect } from 'vitest'
import { SandboxMode } from '../../src/schema/index.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containerOf, sandboxBench, TEST_USER, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-golden'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())

/** Decided by the image or the engine, or no longer shown by newer engines. */
const NOT_OURS = (
  'Image Labels Env ExposedPorts Volumes OnBuild Shell Mode ContainerIDFile VolumeDriver Isolation ' +
  'KernelMemory KernelMemoryTCP ConsoleSize CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth ' +
  'MemorySwappiness'
).split(' ')

for (const mode of SandboxMode.options) {
  dockerTest(`a sandbox in mode ${mode} is set up as the table says`, async () => {
    const slot = bench.slot(testConfinement(mode))
    const sandbox = await bench.sandboxes.open(slot.spec, { signal: new AbortController().signal })
    const id = await containerOf(testEngine(), sandbox.id)
    const inspect = await testEngine().docker.getContainer(id).inspect()
    await sandbox.close()
    const replaced = [
      [slot.spec.slot, '<slot>'],
      [slot.spec.id, '<sandbox>'],
      [`${TEST_USER.uid}:${TEST_USER.gid}`, '<user>'],
      [`uid=${TEST_USER.uid},gid=${TEST_USER.gid}`, 'uid=<uid>,gid=<gid>'],
    ] as const
    const shown = normalised(
      { Config: inspect.Config, HostConfig: inspect.HostConfig, Mounts: inspect.Mounts },
      replaced,
    )
    const file = new URL(`../fixtures/inspect/${mode}.json`, import.meta.url)
    if (process.env['OPENEXEC_WRITE_GOLDEN'] === '1')
      writeFileSync(file, `${JSON.stringify(shown, undefined, 2)}\n`)
    // Newer engines show more fields; none of those in the table may differ or be missing.
    expect(shown).toMatchObject(JSON.parse(readFileSync(file, 'utf8')))
  })
}

function normalised(inspect: object, replaced: readonly (readonly [string, string])[]): unknown {
  return JSON.parse(JSON.stringify(inspect), (key, value: unknown) => {
    if (NOT_OURS.includes(key)) return undefined
    if (key === 'Mounts' && Array.isArray(value))
      return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    if (typeof value !== 'string') return value
    if (value.startsWith('seccomp='))
      return `seccomp=sha256:${createHash('sha256').update(value.slice(8)).digest('hex')}`
    const known = value
      .replace(/openexec-supervisor-[0-9a-f]{16}/, 'openexec-supervisor-<hash>')
      .replace(/^.*\/volumes\//, '<volumes>/')
    return replaced.reduce((text, [from, to]) => text.replaceAll(from, to), known)
  })
}
