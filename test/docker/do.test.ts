/** A request in words that becomes a run. */
import { expect } from 'vitest'
import { openexec, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest } from '../helpers/docker.ts'

dockerTest(
  'do runs the blueprint that the request asks for, and the timeline says why',
  async () => {
    using repository = testRepository({
      'openexec.yaml': 'commands: { lint: ["true"], test: ["true"] }\n',
    })
    const cwd = repository.path
    const { code, stderr } = await openexec(['do', 'Run the tests', '--image', 'base'], { cwd })
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('run check'),
    })
    const events = await openexec(['events', await newestRun(cwd), '--json'], { cwd })
    expect(events.stdout).toContain('Blueprint \\"check\\" was chosen by rule')
    await expectNothingLeft(repository)
  },
)
