/** Killed at any moment, a program leaves a repository that is whole as soon as the next one starts. */
import { test } from 'vitest'
import { killIntake, killLocalWork } from '../helpers/workspace-kills.ts'

const SEED = 20261122

test.each(['apply', 'merge', 'prune'])(
  'kill -9 at random points of create, snapshot and %s leaves nothing half done',
  (way) => killLocalWork(way, { rounds: 4, seed: SEED }),
)

test.each(['fetch', 'upload'])(
  'kill -9 at random points of %s leaves nothing that was not checked',
  (way) => killIntake(way, { rounds: 2, seed: SEED }),
)
