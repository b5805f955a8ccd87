import { parseArgs } from 'node:util'
import { setUp } from '../setup/set-up.ts'
import { runTask } from '../run-task.ts'

await runTask(async () => {
  const { values } = parseArgs({ options: { rebuild: { type: 'boolean', default: false } } })
  await setUp({ rebuild: values.rebuild })
  return 0
})
