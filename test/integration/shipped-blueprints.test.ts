import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listBlueprints } from '../../src/blueprint/index.ts'
import { BLUEPRINT_REGISTRY } from '../../src/runtime/blueprint-registry.ts'
import { testRegistry } from '../helpers/blueprints.ts'

test('listBlueprints() takes every shipped blueprint with the actions and toolsets there are', () => {
  const shippedDir = join(import.meta.dirname, '../../blueprints')
  expect(listBlueprints({ shippedDir, cwd: '/', registry: BLUEPRINT_REGISTRY })).toHaveLength(6)
})

test('the registry of the checker’s tests knows the actions and toolsets there are', () => {
  expect([...testRegistry.actions.keys()].sort()).toEqual(
    [...BLUEPRINT_REGISTRY.actions.keys()].sort(),
  )
  expect([...testRegistry.toolsets].sort()).toEqual([...BLUEPRINT_REGISTRY.toolsets].sort())
  for (const [name, { outputs, canFail, canSkip }] of BLUEPRINT_REGISTRY.actions)
    expect(testRegistry.actions.get(name)).toMatchObject({ outputs, canFail, canSkip })
})
