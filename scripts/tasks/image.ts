/** Set-up, then the image of the server, for `docker compose up`. */
import { runTask } from '../run-task.ts'
import { findEngine } from '../../src/sandbox/connect.ts'
import { ensureServerImage } from '../setup/server-image.ts'
import { setUp } from '../setup/set-up.ts'

await runTask(async () => {
  await setUp({ rebuild: false })
  const say = (line: string) => console.error(`image: ${line}`)
  await ensureServerImage(await findEngine(process.env), { say })
  return 0
})
