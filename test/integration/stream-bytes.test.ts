/** Output as bytes: what a command wrote, in binary messages beside events as text. */
import { mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openSpool, runDirectory } from '../../src/artifacts/index.ts'
import { testServer } from '../helpers/server.ts'

test('a WebSocket that asks for bytes has output as binary messages, and as text otherwise', async () => {
  await using server = await testServer()
  const { id } = server.seed(1, { status: 'succeeded', startedAt: 1, endedAt: 2 })
  const outputDir = runDirectory(server.stateDir, id).output
  mkdirSync(outputDir, { recursive: true })
  const pass = {
    write: (chunk: Uint8Array) => chunk,
    end: () => new Uint8Array(),
    waiting: () => ({ bytes: 0, covered: 0 }),
  }
  const spool = await openSpool({
    outputDir,
    step: 'run.1.tëst',
    maxBytes: 1000,
    newFilter: () => pass,
  })
  await spool.write('stderr', Buffer.from([0xff, 0, 0x80]))
  await spool.finish()
  const path = `/v1/runs/${id}/stream?live=false`
  const read = async (query: string) => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}${query}`, {
      headers: { authorization: `Bearer ${server.admin}` },
    })
    const messages: { data: Buffer; isBinary: boolean }[] = []
    socket.on('message', (data: Buffer, isBinary) => messages.push({ data, isBinary }))
    await new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject))
    return messages
  }
  const [output, end] = await read('&binary=true')
  const step = Buffer.from('run.1.tëst')
  const head = Buffer.from([2, 0, step.length])
  const expected = [head, step, Buffer.alloc(8), Buffer.from([0xff, 0, 0x80])]
  expect(output).toEqual({ isBinary: true, data: Buffer.concat(expected) })
  expect(end?.isBinary).toBe(false)
  expect(JSON.parse(String(end?.data))).toMatchObject({ type: 'end' })
  const [asText] = await read('')
  expect(asText?.isBinary).toBe(false)
  expect(JSON.parse(String(asText?.data))).toMatchObject({ stream: 'stderr', data: '/wCA' })
  expect((await server.ask(`${path}&binary=true`)).status).toBe(400)
})
