import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { attach, greeted, MARKER, Puppet } from '../../test/helpers/puppet.ts'
import type { PipeExec } from './pipe.ts'
import { u64 } from './protocol-messages.ts'
import { FROM, TO } from './protocol.ts'

const REQUEST: PipeExec = {
  argv: ['run'],
  env: {},
  cwd: '/',
  stdin: 'none',
  terminal: undefined,
  timeoutMs: 0,
  outputBytesMax: 0,
  keepDescendants: false,
}
const silent = { onOutput: () => {} }

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('openPipe()', () => {
  test('throws away what stands before its marker', async () => {
    const { puppet, pipe } = await greeted()
    expect(pipe.hello.lastChannel).toBe(0)
    expect(puppet.said.map(({ type }) => type)).toEqual([TO.attach])
    pipe.close()
  })

  test('gives up on a supervisor that does not answer', async () => {
    const puppet = new Puppet()
    await expect(attach(puppet, { openTimeoutMs: 20 })).rejects.toMatchObject({ code: 'timed_out' })
    expect(puppet.duplex.destroyed).toBe(true)
  })

  test('gives up when told to', async () => {
    const stop = new AbortController()
    const puppet = new Puppet()
    const opening = attach(puppet, { signal: stop.signal })
    stop.abort()
    await expect(opening).rejects.toMatchObject({ code: 'cancelled' })
    expect(puppet.duplex.destroyed).toBe(true)
  })

  test('says when the sandbox ends before its greeting', async () => {
    const puppet = new Puppet()
    puppet.duplex.push(null)
    await expect(attach(puppet)).rejects.toMatchObject({ code: 'sandbox_lost' })
  })

  test('notices when only its way in is closed', async () => {
    const writable = new PassThrough().resume()
    const again = new Puppet()
    again.greet()
    const pipe = await attach(again, { writable })
    writable.destroy()
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_lost' })
    expect(again.duplex.destroyed).toBe(true)
  })

  test('refuses a greeting that is none', async () => {
    const puppet = new Puppet()
    puppet.duplex.push(MARKER)
    puppet.say(FROM.pong, 0, Buffer.alloc(8))
    await expect(attach(puppet)).rejects.toMatchObject({ code: 'sandbox_protocol_error' })
  })
})

describe('exec()', () => {
  const lies: [string, (puppet: Puppet) => void][] = [
    ['output of a channel that is not open', (puppet) => puppet.data(3, 0, Buffer.from('x'))],
    ['output that skips a byte', (puppet) => puppet.data(1, 1, Buffer.from('x'))],
    [
      'output that comes twice',
      (puppet) => {
        puppet.data(1, 0, Buffer.from('xy'))
        puppet.data(1, 0, Buffer.from('xy'))
      },
    ],
    ['an end that forgets output', (puppet) => puppet.exited(1, 5)],
    [
      'words after the end',
      (puppet) => {
        puppet.exited(1, 0)
        puppet.exited(1, 0)
        puppet.data(1, 0, Buffer.from('x'))
      },
    ],
    ['a release nobody asked for', (puppet) => puppet.say(FROM.released, 1)],
    ['a file on a command', (puppet) => puppet.say(FROM.file, 1, Buffer.alloc(32))],
    ['a failure of an unknown kind', (puppet) => puppet.say(FROM.error, 1, Buffer.from([0, 99]))],
    ['credit for input that was never sent', (puppet) => puppet.say(FROM.inputCredit, 1, u64(1))],
    ['a second greeting', (puppet) => puppet.say(FROM.hello, 0, Buffer.alloc(32))],
    ['an unknown frame', (puppet) => puppet.say(0x40, 1)],
    [
      'an offset beyond all numbers',
      (puppet) => puppet.say(FROM.data, 1, Buffer.alloc(9, 0xff), 1),
    ],
  ]

  test.each(lies)('ends everything at %s', async (_what, lie) => {
    const { puppet, pipe } = await greeted()
    const first = pipe.start(REQUEST, silent)
    const other = pipe.start(REQUEST, silent)
    lie(puppet)
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_protocol_error' })
    await expect(other.result).rejects.toMatchObject({ code: 'sandbox_protocol_error' })
    await first.result.catch(() => {})
    expect(() => pipe.start(REQUEST, silent)).toThrow(/Cannot trust the sandbox/)
    expect(puppet.duplex.destroyed).toBe(true)
  })

  test('acknowledges what the consumer has taken and nothing else', async () => {
    const { puppet, pipe } = await greeted()
    const taken: (() => void)[] = []
    const running = pipe.start(REQUEST, {
      onOutput: () => new Promise<void>((resolve) => taken.push(resolve)),
    })
    const chunk = Buffer.alloc(64 * 1024)
    for (let at = 0; at < 8; at++) puppet.data(running.channel, at * chunk.length, chunk)
    await turn()
    expect(puppet.said.filter(({ type }) => type === TO.credit)).toEqual([])
    for (let at = 0; at < 2; at++) {
      taken.shift()?.()
      await turn()
    }
    const credits = puppet.said.filter(({ type }) => type === TO.credit)
    expect(
      credits.map(({ payload, stream }) => [Number(payload.readBigUInt64BE()), stream]),
    ).toEqual([[128 * 1024, 1]])
    pipe.close()
    await expect(running.result).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('takes a flood beyond the window for what it is', async () => {
    const { puppet, pipe } = await greeted()
    const running = pipe.start(REQUEST, { onOutput: () => new Promise(() => {}) })
    const chunk = Buffer.alloc(64 * 1024)
    for (let at = 0; at < 9; at++) puppet.data(running.channel, at * chunk.length, chunk)
    expect(await pipe.ended).toMatchObject({
      message: expect.stringMatching(/more output than was asked for/),
    })
  })

  test('gives its result only after the consumer has taken the last byte', async () => {
    const { puppet, pipe } = await greeted()
    let take = () => {}
    const running = pipe.start(REQUEST, {
      onOutput: () => new Promise<void>((resolve) => (take = resolve)),
    })
    puppet.data(1, 0, Buffer.from('abc'))
    puppet.exited(1, 3)
    let over = false
    void running.result.then(() => (over = true))
    await turn()
    expect(over).toBe(false)
    take()
    expect(await running.result).toMatchObject({ exitCode: 0, stdoutBytes: 3 })
    await turn()
    expect(puppet.said.at(-1)).toMatchObject({ type: TO.release, channel: 1 })
    pipe.close()
  })

  test('joins tiny chunks for a slow consumer, in order', async () => {
    const { puppet, pipe } = await greeted()
    const chunks: string[] = []
    let take = () => {}
    const running = pipe.start(REQUEST, {
      onOutput: (_, chunk) => {
        chunks.push(Buffer.from(chunk).toString())
        return new Promise<void>((resolve) => (take = resolve))
      },
    })
    const text = Array.from({ length: 3_000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join(
      '',
    )
    for (let at = 0; at < text.length; at++) puppet.data(1, at, Buffer.from(text[at] ?? ''))
    puppet.exited(1, text.length)
    await turn()
    take()
    await turn()
    take()
    await running.result
    expect(chunks.join('')).toBe(text)
    expect(chunks).toHaveLength(2)
    pipe.close()
  })

  test('holds input back until there is credit', async () => {
    const { puppet, pipe } = await greeted()
    const running = pipe.start({ ...REQUEST, stdin: Buffer.alloc(300 * 1024) }, silent)
    await turn()
    const sent = () =>
      puppet.said.reduce(
        (sum, { type, payload }) => sum + (type === TO.input ? payload.length - 8 : 0),
        0,
      )
    expect(sent()).toBe(256 * 1024)
    puppet.say(FROM.inputCredit, running.channel, u64(100 * 1024))
    await turn()
    expect(sent()).toBe(300 * 1024)
    expect(puppet.said.at(-1)).toMatchObject({ type: TO.inputEnd })
    puppet.exited(running.channel, 0)
    await running.result
    pipe.close()
  })

  test('drops late words for a channel it has given back', async () => {
    const { puppet, pipe } = await greeted()
    const stop = new AbortController()
    const reading = pipe.readFile('/tmp/x', { bytesMax: 100, signal: stop.signal })
    await turn()
    stop.abort()
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    puppet.data(1, 0, Buffer.from('late'))
    puppet.say(FROM.released, 1)
    await turn()
    puppet.data(1, 4, Buffer.from('too late'))
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_protocol_error' })
  })

  test('refuses an answer larger than what was asked for', async () => {
    const { puppet, pipe } = await greeted()
    const reading = pipe.readFile('/tmp/x', { bytesMax: 3, signal: new AbortController().signal })
    await turn()
    puppet.data(1, 0, Buffer.from('1234'))
    await expect(reading).rejects.toMatchObject({ code: 'sandbox_protocol_error' })
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_protocol_error' })
  })
})
