import { expect } from 'vitest'
import { leftInRepository, openexec, type TestRepository } from './cli.ts'
import { testEngine } from './docker.ts'

/** Containers that belong to the state directory of a repository. */
async function containersOf({ instance }: TestRepository): Promise<string[]> {
  const filters = { label: [`openexec.instance=${instance}`] }
  const found = await testEngine().docker.listContainers({ all: true, filters })
  return found.map(({ Id }) => Id)
}

/** No container, no slot, no worktree. */
export async function expectNothingLeft(repository: TestRepository): Promise<void> {
  expect(leftInRepository(repository)).toEqual([])
  expect(await containersOf(repository)).toEqual([])
}

/** Id of the newest run. */
export async function newestRun(cwd: string): Promise<string> {
  const { stdout } = await openexec(['ps', '--json', '-n', '1'], { cwd })
  const listed: unknown = JSON.parse(stdout)
  const [run]: unknown[] = Reflect.get(Object(listed), 'runs')
  return String(Reflect.get(Object(run), 'id'))
}
