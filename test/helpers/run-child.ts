/** A process that executes one run, or goes on with one, and dies at an event of it, as a power cut would have it die. */
import { openApp } from '../../src/app.ts'
import { bodyOf, createClient } from '../../src/cli/client.ts'
import { followRun } from '../../src/cli/follow.ts'
import { readConfig } from '../../src/config.ts'
import { type Run, RunRequest } from '../../src/schema/index.ts'

const [stateDir = '', moment = '', request = '{}'] = process.argv.slice(2)
const signal = new AbortController().signal
const app = openApp({
  config: readConfig(),
  stateDir,
  cwd: stateDir,
  log: { info: () => {}, warn: console.error },
  signal,
  detach: undefined,
})
const client = createClient('http://test.internal', app.fetch)
const run = await (request.startsWith('run_') ? resumed(request) : submitted(request))
console.log(run.id)
for await (const frame of followRun(client, { run: run.id, after: 0, live: true, signal }))
  if (frame.type === 'event' && frame.event.type === moment) process.kill(process.pid, 'SIGKILL')
await app.close()

async function submitted(text: string): Promise<Run> {
  return await bodyOf(client.v1.runs.$post({ json: RunRequest.parse(JSON.parse(text)) }))
}

async function resumed(id: string): Promise<Run> {
  return (await bodyOf(client.v1.runs[':id'].resume.$post({ param: { id } }))).run
}
