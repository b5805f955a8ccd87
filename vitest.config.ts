import { defineConfig } from 'vitest/config'

// What depends on who else is killed, or starts, on the engine just then.
const ALONE = ['test/docker/{reap,cli-sandbox}.test.ts']

export default defineConfig({
  test: {
    restoreMocks: true,
    allowOnly: false,
    coverage: { include: ['src/**/*.ts'], exclude: ['src/**/*.test.ts'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // Unit tests share nothing but modules without state; loading those anew for each file costs most of the time.
          pool: 'threads',
          testTimeout: 30_000,
          isolate: false,
          include: ['{src,scripts}/**/*.test.ts', 'test/architecture/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,cli,hostile-repos,api-security}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'docker',
          include: ['test/{docker,egress,escape}/**/*.test.ts'],
          exclude: ALONE,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Most of a test is waiting for the engine.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
