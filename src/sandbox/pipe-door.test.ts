import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { greeted, type Puppet } from '../../test/helpers/puppet.ts'
import type { Pipe } from './pipe.ts'
import { u32, u64 } from './protocol-messages.ts'
import { DOOR_CONNECTIONS_OLD, DOOR_WINDOW, FROM_DOOR, TO } from './protocol.ts'

const FIRST = 0x8000_0000
const turn = () => new Promise((resolve) => setImmediate(resolve))

interface Opened {
  puppet: Puppet
  pipe: Pipe
  arrived: Duplex[]
}

async function opened(onConnection?: (connection: Duplex) => void): Promise<Opened> {
  const { puppet, pipe } = await greeted()
  const arrived: Duplex[] = []
  const opening = pipe.openDoor(3128, onConnection ?? ((one) => void arrived.push(one)))
  puppet.say(FROM_DOOR.listening, 0, Buffer.from([0x0c, 0x38]))
  expect(await opening).toBe(3128)
  return { puppet, pipe, arrived }
}

function bytes(offset: number, content: Uint8Array): Buffer {
  return Buffer.concat([u64(offset), content])
}

describe('openDoor()', () => {
  const lies: [string, (puppet: Puppet) => void][] = [
    [
      'bytes of no connection',
      (puppet) => puppet.say(FROM_DOOR.bytes, FIRST + 1, bytes(0, Buffer.alloc(1))),
    ],
    ['an id that was there before', (puppet) => puppet.say(FROM_DOOR.opened, FIRST)],
    [
      'bytes that skip one',
      (puppet) => puppet.say(FROM_DOOR.bytes, FIRST, bytes(1, Buffer.alloc(1))),
    ],
    ['an end that forgets bytes', (puppet) => puppet.say(FROM_DOOR.ended, FIRST, u64(1))],
    [
      'bytes after the end',
      (puppet) => {
        puppet.say(FROM_DOOR.ended, FIRST, u64(0))
        puppet.say(FROM_DOOR.bytes, FIRST, bytes(0, Buffer.alloc(1)))
      },
    ],
    ['credit for what was never sent', (puppet) => puppet.say(FROM_DOOR.credit, FIRST, u64(1))],
    ['an early last word', (puppet) => puppet.say(FROM_DOOR.closed, FIRST, u32(0))],
    ['an answer nobody waits for', (puppet) => puppet.say(FROM_DOOR.listening, 0, Buffer.alloc(2))],
    [
      'a flood beyond the window',
      (puppet) => {
        for (let at = 0; at <= DOOR_WINDOW; at += 0x1_0000)
          puppet.say(FROM_DOOR.bytes, FIRST, bytes(at, Buffer.alloc(0x1_0000)))
      },
    ],
    [
      'more connections than there may be',
      (puppet) => {
        for (let id = 1; id <= DOOR_CONNECTIONS_OLD; id++) puppet.say(FROM_DOOR.opened, FIRST + id)
      },
    ],
  ]

  test.each(lies)('ends everything at %s', async (_what, lie) => {
    const { puppet, pipe, arrived } = await opened()
    puppet.say(FROM_DOOR.opened, FIRST)
    await turn()
    lie(puppet)
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_protocol_error' })
    await turn()
    expect(arrived.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('takes no connection that nobody asked for', async () => {
    const { puppet, pipe } = await greeted()
    puppet.say(FROM_DOOR.opened, FIRST)
    expect(await pipe.ended).toMatchObject({ code: 'sandbox_protocol_error' })
  })

  test('says why the sandbox cannot listen', async () => {
    const { puppet, pipe } = await greeted()
    const opening = pipe.openDoor(3128, () => {})
    puppet.say(FROM_DOOR.listening, 0, Buffer.from('\0\0EADDRINUSE', 'latin1'))
    await expect(opening).rejects.toMatchObject({ details: { errno: 'EADDRINUSE' } })
    pipe.close()
    await expect(pipe.openDoor(3128, () => {})).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('a handler that throws loses its connection and no other', async () => {
    let first: Duplex | undefined
    const { puppet, pipe } = await opened((connection) => {
      if (first !== undefined) throw new Error('no')
      first = connection
    })
    puppet.say(FROM_DOOR.opened, FIRST)
    puppet.say(FROM_DOOR.opened, FIRST + 1)
    await turn()
    expect(first?.destroyed).toBe(false)
    expect(puppet.said.at(-1)).toMatchObject({ type: TO.doorClose, channel: FIRST + 1 })
    pipe.close()
    expect(first?.destroyed).toBe(true)
  })

  test('gives credit only for what was read', async () => {
    const { puppet, pipe, arrived } = await opened()
    puppet.say(FROM_DOOR.opened, FIRST)
    for (let at = 0; at < DOOR_WINDOW; at += 0x1_0000)
      puppet.say(FROM_DOOR.bytes, FIRST, bytes(at, Buffer.alloc(0x1_0000)))
    await turn()
    const credits = () => puppet.said.filter(({ type }) => type === TO.doorCredit)
    expect(credits()).toEqual([])
    let read = 0
    arrived[0]?.on('data', (chunk: Buffer) => void (read += chunk.length))
    await turn()
    await turn()
    expect(read).toBe(DOOR_WINDOW)
    expect(Number(credits().at(-1)?.payload.readBigUInt64BE())).toBeGreaterThan(DOOR_WINDOW / 2)
    pipe.close()
  })

  test('holds bytes back until there is credit, and drops them with the connection', async () => {
    const { puppet, pipe, arrived } = await opened()
    puppet.say(FROM_DOOR.opened, FIRST)
    await turn()
    arrived[0]?.write(Buffer.alloc(DOOR_WINDOW + 100))
    await turn()
    const sent = () =>
      puppet.said.reduce(
        (sum, one) => sum + (one.type === TO.doorBytes ? one.payload.length - 8 : 0),
        0,
      )
    expect(sent()).toBe(DOOR_WINDOW)
    puppet.say(FROM_DOOR.closed, FIRST, u32(1))
    await turn()
    expect(arrived[0]?.destroyed).toBe(true)
    expect(puppet.said.filter(({ type }) => type === TO.doorClose)).toHaveLength(1)
    expect(sent()).toBe(DOOR_WINDOW)
    pipe.close()
  })
})
