import Database from 'better-sqlite3'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { CHAIN_START, eventTexts, sealEvent } from '../../src/events/hash.ts'
import { Event } from '../../src/schema/index.ts'
import { dockerTest } from '../helpers/docker.ts'
import { sampleRepository, type TestRepository } from '../helpers/program.ts'

const TASK = ['--task', 'Full pages are followed by an empty one: fix pageCount in src/pages.js']
const call = (name: string, args: object) => ({ name, args })
const TURNS = [
  {
    reply: {
      tool_calls: [
        call('read_file', { path: 'src/pages.js' }),
        call('grep', { pattern: 'total' }),
        call('write_file', { path: '.git/hooks/x', content: 'y' }),
      ],
    },
  },
  { reply: { error: { status: 529, retry_after: '1s' } } },
  {
    reply: {
      text: 'I see it',
      tool_calls: [
        call('edit_file', {
          path: 'src/pages.js',
          old_text: 'Math.floor(total / size) + 1',
          new_text: 'Math.max(1, Math.ceil(total / size))',
        }),
        call('run_action', { name: 'run_tests' }),
      ],
    },
  },
  { reply: { tool_calls: [call('finish', { status: 'done', summary: 'Fixed' })] } },
]

/** Gives the events of a run other payloads, and makes both chains anew as somebody would who owns the file. */
function rewrite(repository: TestRepository, run: string, change: (event: Event) => Event): void {
  const db = new Database(join(repository.path, '.openexec/openexec.db'))
  db.exec('DROP TRIGGER IF EXISTS events_no_update')
  const events = readFileSync(timeline(repository, run), 'utf8')
    .trim()
    .split('\n')
    .map((line) => change(Event.parse(JSON.parse(line))))
  const update = db.prepare(
    'UPDATE events SET payload = ?, prev = ?, replay_hash = ?, hash = ? WHERE run_id = ? AND seq = ?',
  )
  let before = { hash: CHAIN_START, replayHash: CHAIN_START }
  for (const event of events) {
    const { prev: _prev, replayHash: _replayHash, hash: _hash, ...body } = event
    const texts = eventTexts(body)
    const sealed = sealEvent(body, before, texts)
    update.run(texts.payload, sealed.prev, sealed.replayHash, sealed.hash, run, sealed.seq)
    before = sealed
  }
  db.close()
}

const timeline = ({ path }: TestRepository, run: string) =>
  join(path, '.openexec/runs', run, 'timeline.jsonl')

dockerTest('replay makes every event again, and audit finds what was changed', async () => {
  using repository = sampleRepository()
  const script = repository.write(
    'model.yaml',
    JSON.stringify({ provider: 'scripted', turns: TURNS }),
  )
  const { run, status } = await repository.run('backend_bugfix', ...TASK, '--model-script', script)
  expect(status).toBe('succeeded')
  const json = async (...args: string[]) => {
    const { code, stdout } = await repository.openexec(...args, run, '--json')
    return { code, report: JSON.parse(stdout) }
  }

  const replayed = await json('replay')
  expect(replayed).toMatchObject({
    code: 0,
    report: { ok: true, agents: 1, divergence: null, notes: [] },
  })
  expect(replayed.report.remade).toBeGreaterThan(20)
  const verified = await json('audit', 'verify')
  expect(verified).toMatchObject({ code: 0, report: { ok: true, complete: true, problems: [] } })
  expect(verified.report.replay_hash).toBe(replayed.report.replay_hash)

  const file = timeline(repository, run)
  const copy = readFileSync(file, 'utf8')
  writeFileSync(file, copy.replace('"Fixed"', '"Fxied"').replace('succeeded', 'suceeeded'))
  expect(await json('audit', 'verify')).toMatchObject({
    code: 1,
    report: { ok: false, problems: [expect.stringContaining('timeline.jsonl, line')] },
  })
  writeFileSync(file, copy)

  // Both chains hold, and only going through it again shows that policy never said so.
  rewrite(repository, run, (event) =>
    event.type === 'policy_check' && event.payload['subject'] === 'read_file'
      ? { ...event, payload: { ...event.payload, reason: 'Because I say so' } }
      : event,
  )
  expect(await json('replay')).toMatchObject({
    code: 1,
    report: { divergence: { type: 'policy_check', at: 'reason' } },
  })
  rewrite(repository, run, (event) =>
    event.type === 'model_invocation' && event.payload['stop_reason'] === 'tool_calls'
      ? { ...event, payload: { ...event.payload, response_sha256: '0'.repeat(64) } }
      : event,
  )
  expect(await json('replay')).toMatchObject({
    code: 1,
    report: { divergence: { type: 'model_invocation', at: 'response_sha256' } },
  })

  const blobs = join(repository.path, '.openexec/blobs')
  const [blob] = readdirSync(blobs, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /[0-9a-f]{60,}$/.test(name),
  )
  writeFileSync(join(blobs, blob ?? ''), 'x')
  expect((await json('audit', 'verify')).report.problems.join()).toContain('is not what was stored')
})

dockerTest('audit finds an event that was changed alone', async () => {
  using repository = sampleRepository()
  const { code } = await repository.openexec('run', '--image', 'base', '--', 'true')
  expect(code).toBe(0)
  const db = new Database(join(repository.path, '.openexec/openexec.db'))
  db.exec('DROP TRIGGER IF EXISTS events_no_update')
  db.exec(
    `UPDATE events SET payload = json_set(payload, '$.exit_code', 1) WHERE type = 'command_completed'`,
  )
  const run = db.prepare('SELECT id FROM runs').pluck().get()
  db.close()
  const ended = await repository.openexec('audit', 'verify', String(run))
  expect(ended.code).toBe(1)
  expect(ended.stdout).toContain('does not match its content')
})
