import { defineConfig } from 'vitest/config'

// Many rounds of killing and churning: `npm run soak` asks for them, `npm test` does not.
export default defineConfig({
  test: {
    name: 'soak',
    include: ['test/soak/**/*.test.ts'],
    fileParallelism: false,
    allowOnly: false,
    testTimeout: 2_400_000,
    hookTimeout: 120_000,
  },
})
