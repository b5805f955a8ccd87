import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect } from 'vitest'
import type { Pipe } from '../../src/sandbox/pipe.ts'
import { DOOR_CONNECTIONS_MAX } from '../../src/sandbox/protocol.ts'
import {
  build,
  type Build,
  capture,
  command,
  type Host,
  residentBytes,
  startHost,
  supervisorTest,
} from '../helpers/supervisor.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-root-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Somebody inside, who keeps what comes and never throws. */
function dial(port: number): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
}

const over = (stream: Duplex | Socket) =>
  stream.destroyed ? Promise.resolve() : new Promise((resolve) => stream.once('close', resolve))

describe.each<Build>(['supervisor', 'supervisor-sanitized'])('%s', (name) => {
  let host: Host
  let pipe: Pipe

  beforeEach(async () => {
    host = startHost(build(name), root)
    pipe = await host.open()
    return async () => {
      pipe.shutdown()
      expect(await pipe.ended).toBeUndefined()
      expect(await host.exited).toBe(0)
      expect(host.stderr()).toBe('')
    }
  })

  /** Opens the door and waits for one connection at a time. */
  async function openDoor(on = pipe) {
    const arrived: Duplex[] = []
    const waiting: ((connection: Duplex) => void)[] = []
    const port = await on.openDoor(0, (connection) => {
      const wake = waiting.shift()
      if (wake) wake(connection)
      else arrived.push(connection)
    })
    const next = () =>
      new Promise<Duplex>((resolve) => {
        const ready = arrived.shift()
        if (ready) resolve(ready)
        else waiting.push(resolve)
      })
    return { port, next, arrived }
  }

  supervisorTest('openDoor() carries bytes both ways and each end by itself', async () => {
    const { port, next } = await openDoor()
    const client = dial(port)
    const served = await next()
    client.end('question')
    expect((await buffer(served)).toString()).toBe('question')
    // The client has ended; the way back is still open.
    served.write('answer, ')
    served.end('whole')
    expect((await buffer(client)).toString()).toBe('answer, whole')
    await over(served)
    // And the other way round: the end of the answer leaves the question open.
    const second = dial(port)
    const late = await next()
    late.end('early answer')
    expect((await buffer(second)).toString()).toBe('early answer')
    second.end('late question')
    expect((await buffer(late)).toString()).toBe('late question')
  })

  supervisorTest('openDoor() loses, doubles and mixes no byte of any split', async () => {
    const { port } = await openDoor()
    await pipe.openDoor(port, (connection) => connection.pipe(connection))
    const chunks = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.array(chunks, { minLength: 1, maxLength: 8 }), async (clients) => {
        await Promise.all(
          clients.map(async (sizes) => {
            const socket = dial(port)
            const sent = sizes.map((size) => randomBytes(size))
            const echoed = buffer(socket)
            for (const chunk of sent) socket.write(chunk)
            socket.end()
            expect((await echoed).equals(Buffer.concat(sent))).toBe(true)
          }),
        )
      }),
      { seed: 11, numRuns: 12, interruptAfterTimeLimit: 4_000 },
    )
  })

  supervisorTest('a reader that stops stops the writer, in both directions', async () => {
    const { port, next } = await openDoor()
    const client = dial(port)
    const served = await next()
    const flood = (stream: Duplex) => {
      let written = 0
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        while (written < 256 * 1024 * 1024) {
          written += chunk.length
          if (!stream.write(chunk)) return void stream.once('drain', more)
        }
      }
      more()
      return () => written
    }
    const before = residentBytes(host.pid)
    const up = flood(client)
    const down = flood(served)
    const rest = async (written: () => number) => {
      for (let last = -1; last !== written();) {
        last = written()
        await new Promise((resolve) => setTimeout(resolve, 150))
      }
      return written()
    }
    // What fits into windows and the kernel's socket buffers, and no more.
    expect(await rest(up)).toBeLessThan(16 * 1024 * 1024)
    expect(await rest(down)).toBeLessThan(16 * 1024 * 1024)
    expect(residentBytes(host.pid) - before).toBeLessThan(2 * 1024 * 1024)
    // Commands do not notice.
    expect((await capture(pipe, command('echo', 'fine'))).stdout).toBe('fine\n')
    served.destroy()
    await over(client)
  })

  supervisorTest('destroy() before both ends is a reset for the client', async () => {
    const { port, next } = await openDoor()
    const client = dial(port)
    const failed = once(client, 'error')
    const served = await next()
    served.write('half of')
    served.destroy()
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
  })

  supervisorTest('destroy() after its own end lets the client have every byte', async () => {
    const { port, next } = await openDoor()
    const client = dial(port)
    const served = await next()
    const sent = randomBytes(200_000)
    served.end(sent, () => served.destroy())
    expect((await buffer(client)).equals(sent)).toBe(true)
    client.destroy()
  })

  supervisorTest('a reset by the client ends the connection here', async () => {
    const { port, next } = await openDoor()
    const client = dial(port)
    const served = await next()
    const failed = once(served, 'error')
    client.resetAndDestroy()
    expect(await failed).toMatchObject([{ details: { errno: 'ECONNRESET' } }])
    expect((await capture(pipe, command('true'))).exitCode).toBe(0)
  })

  supervisorTest(
    'a connection beyond the last place is refused at once, a free place is taken again',
    async () => {
      const { port, next } = await openDoor()
      const clients = Array.from({ length: DOOR_CONNECTIONS_MAX }, () => dial(port))
      const served = await Promise.all(clients.map(() => next()))
      const beyond = dial(port)
      await over(beyond)
      served[5]?.destroy()
      await over(clients[5] ?? beyond)
      const again = dial(port)
      ;(await next()).end('welcome')
      expect((await buffer(again)).toString()).toBe('welcome')
      for (const client of [...clients, again]) client.destroy()
    },
  )

  supervisorTest(
    'connections end when another orchestrator attaches, and it asks anew',
    async () => {
      const { port, next } = await openDoor()
      const client = dial(port)
      await next()
      await host.cutAfter('in', 0)
      pipe = await host.open()
      await over(client)
      // Nobody has asked for connections: the socket is held, and nobody inside could take it.
      await over(dial(port))
      const again = await openDoor()
      await pipe.openDoor(port, (connection) => connection.end('here'))
      expect(again.port).toBe(port)
      const other = dial(port)
      expect((await buffer(other)).toString()).toBe('here')
      other.end()
    },
  )

  supervisorTest('nothing listens before it is asked to, and a taken port is refused', async () => {
    const { port } = await openDoor()
    await using second = startHost(build(name), root)
    const other = await second.open()
    await expect(other.openDoor(port, () => {})).rejects.toMatchObject({
      code: 'sandbox_failed',
      details: { errno: 'EADDRINUSE' },
    })
    other.shutdown()
    await other.ended
  })
})

supervisorTest('silence of the orchestrator ends connections long before the sandbox', async () => {
  await using host = startHost(build('supervisor'), root)
  const pipe = await host.open({ orphanTimeoutMs: 1_200 })
  const port = await pipe.openDoor(0, () => {})
  const client = dial(port)
  await once(client, 'connect')
  const since = performance.now()
  host.attach()
  await over(client)
  expect(performance.now() - since).toBeLessThan(1_100)
  await over(dial(port))
  expect(await host.exited).toBe(69)
})
