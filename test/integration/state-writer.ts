/**
 * A second process on the same state: opens it, does what argv says, and tells each step on stdout.
 *   state-writer.ts open FILE
 *   state-writer.ts append FILE RUNS_DIR RUN COUNT
 *   state-writer.ts claim FILE RUN OWNER
 *   state-writer.ts hold FILE MS
 */
import { createRedactor, createTimeline } from '../../src/events/index.ts'
import { RunId } from '../../src/schema/index.ts'
import { claimRun, openState } from '../../src/state/index.ts'

const [verb = '', file = '', ...rest] = process.argv.slice(2)
const say = (line: string) => process.stdout.write(`${line}\n`)
const state = openState({ file })
say('open')

if (verb === 'append') {
  const [runsDir = '', run, count] = rest
  const runId = RunId.parse(run)
  const timeline = createTimeline({
    state,
    now: Date.now,
    redactorOf: () => createRedactor([]),
    mirror: { runsDir, log: { info: say, warn: say } },
  })
  for (let i = 0; i < Number(count); i++) {
    timeline.publish(runId, { type: 'notice', payload: { pid: process.pid, i } })
    if (i % 10 === 0) say(`appended ${i}`)
  }
  timeline[Symbol.dispose]()
}
if (verb === 'claim') {
  const [run, owner = ''] = rest
  say(String(claimRun(state.db, RunId.parse(run), { owner, expectedOwner: undefined })))
}
if (verb === 'hold') {
  state.transact(() => {
    say('locked')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(rest[0]))
  })
}
state[Symbol.dispose]()
say('done')
