import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { BulkReader } from './bulk-reader.ts'

const BYTES = 3_000_000

/** Bytes in which each place tells where it is. */
function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff
  return bytes
}

async function dialled(says: (socket: Socket) => void, reader: BulkReader | undefined) {
  const server = createServer((peer) => says(peer.on('error', () => {}))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Listening on a port, never on a path.
  const { port } = server.address() as AddressInfo
  const onread = reader === undefined ? {} : { onread: reader.attach() }
  const socket = connect({ host: '127.0.0.1', port, ...onread })
  // What is left unread is reset at the end.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return { socket, close: () => (socket.destroy(), server.close()) }
}

/** Takes its time, and looks at each chunk only then. */
function slow(parts: Buffer[]): Writable {
  return new Writable({
    highWaterMark: 64 * 1024,
    write(chunk: Buffer, _encoding, done) {
      setImmediate(() => {
        parts.push(Buffer.from(chunk))
        done()
      })
    },
  })
}

test('BulkReader gives every byte and the end to a reader that is slow', async () => {
  const sent = pattern(BYTES)
  const reader = new BulkReader()
  const { socket, close } = await dialled((peer) => peer.end(sent), reader)
  const parts: Buffer[] = []
  const to = slow(parts)
  let counted = 0
  expect(reader.pass(socket, to, (bytes) => void (counted += bytes))).toBe(true)
  await once(to, 'finish')
  expect(Buffer.concat(parts).equals(sent)).toBe(true)
  expect(counted).toBe(BYTES)
  close()
})

test('BulkReader keeps what comes before anybody wants it, and reads no more meanwhile', async () => {
  const sent = pattern(BYTES)
  const reader = new BulkReader()
  const { socket, close } = await dialled((peer) => peer.end(sent), reader)
  while (socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve))
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  expect(socket.bytesRead).toBeLessThanOrEqual(16 * 1024)
  const parts: Buffer[] = []
  const to = slow(parts)
  reader.pass(socket, to, () => {})
  await once(to, 'finish')
  expect(Buffer.concat(parts).equals(sent)).toBe(true)
  close()
})

test('BulkReader leaves a socket alone that it was not given to', async () => {
  const { socket, close } = await dialled((peer) => peer.end('x'), undefined)
  expect(new BulkReader().pass(socket, slow([]), () => {})).toBe(false)
  close()
})
