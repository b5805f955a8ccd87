/** No directory of the host comes into a sandbox by its name, a link or a climb. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { plainContainer, removePlainContainers } from '../helpers/plain-container.ts'
import { containersOf, sandboxBench, testConfinement, type TestSlot } from '../helpers/sandbox.ts'
import { MOUNT_SOURCES } from './mount-sources.ts'

const INSTANCE = 'test-mount-sources'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
const signal = new AbortController().signal
const elsewhere = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-elsewhere-')))
let slot: TestSlot
let sources: readonly string[]
/** What a plain container sees below `/source/<index>`. */
let seen: readonly string[]

beforeAll(async () => {
  slot = bench.slot(testConfinement('workspace_write'))
  const { rootDirectory } = await bench.sandboxes.facts({ signal })
  const place = { slot: dirname(slot.tree), elsewhere, engineRoot: rootDirectory }
  sources = MOUNT_SOURCES.map(({ source }) => source(place))
  // A second spelling of the climb, which only the engine's own command line would normalise.
  const binds = sources.map((source, i) => `${source}:/source/${i}:ro`)
  const plain = await plainContainer(testEngine(), INSTANCE, { binds })
  const look =
    'cd /source; for i in *; do if test -S $i || test -n "$(ls -A $i)"; then echo $i; fi; done'
  seen = (await plain.run(look)).stdout.trim().split('\n')
})
afterAll(async () => {
  await removePlainContainers(testEngine(), INSTANCE)
  await bench.closeAll()
  rmSync(elsewhere, { recursive: true, force: true })
})

for (const [i, { what }] of MOUNT_SOURCES.entries()) {
  dockerTest(`a sandbox does not get ${what}`, async () => {
    expect(seen, 'the control').toContain(String(i))
    const mounts = [{ source: sources[i] ?? '', target: '/workspace', readOnly: true }]
    await expect(bench.sandboxes.open({ ...slot.spec, mounts }, { signal })).rejects.toMatchObject({
      code: 'workspace_failed',
    })
  })
}

dockerTest('none of the refused mounts leaves a container', async () => {
  await removePlainContainers(testEngine(), INSTANCE)
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})
