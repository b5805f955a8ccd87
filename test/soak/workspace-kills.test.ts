/** A hundred and more moments of each piece of work on repositories, and what is left after each. */
import { test } from 'vitest'
import { killIntake, killLocalWork } from '../helpers/workspace-kills.ts'

const ROUNDS = Number(process.env['OPENEXEC_CRASH_ROUNDS'] ?? 120)
const SEED = Number(process.env['OPENEXEC_CRASH_SEED'] ?? 20261122)

test.each(['apply', 'merge', 'prune'])(
  'kill -9 at random points of create, snapshot and %s leaves nothing half done',
  (way) => killLocalWork(way, { rounds: ROUNDS, seed: SEED }),
)

test.each(['fetch', 'upload'])(
  'kill -9 at random points of %s and gc leaves nothing that was not checked',
  (way) => killIntake(way, { rounds: ROUNDS, seed: SEED }),
)
