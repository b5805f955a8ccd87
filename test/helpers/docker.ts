/**
 * The one gate of tests that need an engine. Without one they are skipped with the reason; where
 * OPENEXEC_REQUIRE_DOCKER=1 they fail instead, so that a run which should prove isolation cannot
 * be green by having proved nothing.
 */
import { afterAll, test, type TestFunction } from 'vitest'
import { findEngine, type Engine } from '../../src/sandbox/connect.ts'

const isRequired = process.env['OPENEXEC_REQUIRE_DOCKER'] === '1'

const found = await findEngine(process.env).catch((error: unknown) => {
  if (isRequired) throw error
  return error instanceof Error ? error.message : String(error)
})

/** The engine; only to be called inside of a `dockerTest`. */
export function testEngine(): Engine {
  if (typeof found === 'string') throw new Error(`No engine: ${found}`)
  return found
}

/** A test that runs where an engine answers. */
export function dockerTest(title: string, body: TestFunction, timeoutMs = 120_000): void {
  if (typeof found === 'string') test.skip(`${title} (skipped: ${found})`, body)
  else test(title, body, timeoutMs)
}

/**
 * Fails the file when a container, volume or network of this test instance is left after its last
 * test. Call it once at the top of a file, with the value its tests put into `openexec.instance`.
 */
export function expectNoLeftovers(instance: string): void {
  afterAll(async () => {
    if (typeof found === 'string') return
    const left = await leftovers(found, instance)
    if (left.length > 0) throw new Error(`Left behind by "${instance}": ${left.join(', ')}`)
  })
}

async function leftovers({ docker }: Engine, instance: string): Promise<string[]> {
  const filters = { label: [`openexec.instance=${instance}`] }
  const [containers, volumes, networks] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
    docker.listNetworks({ filters }),
  ])
  return [
    ...containers.map(({ Id, State }) => `container ${Id.slice(0, 12)} (${State})`),
    ...volumes.Volumes.map(({ Name }) => `volume ${Name}`),
    ...networks.map(({ Name }) => `network ${Name}`),
  ]
}
