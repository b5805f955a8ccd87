import { expect, test } from 'vitest'
import { CreateRun } from '../../schema/index.ts'
import { checkScheduled } from './check-request.ts'

const never = () => {
  throw new Error('Not asked')
}
const catalog = { blueprints: () => [], checkBlueprint: never, checkPolicy: never }
const check = (repo: object) =>
  checkScheduled(catalog, CreateRun.parse({ repo, command: ['true'] }))

test('checkScheduled() takes a repository by its address', () => {
  expect(check({ url: 'https://git.example.org/a' })).toBeUndefined()
})

test('checkScheduled() refuses a commit that was sent: nothing keeps it until then', () => {
  const sent = { source: 'a'.repeat(32), commit: 'b'.repeat(40) }
  expect(() => check(sent)).toThrow('Cannot schedule a commit that was sent')
})
