import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeEngine {
  endpoint: string
  /** Paths that were asked for, without the version prefix. */
  asked: readonly string[]
  close(): Promise<void>
}

/**
 * An HTTP server on a unix socket that answers as an engine would: for versions and faults a test
 * machine's own engine does not have. `undefined` for a path means it never answers.
 */
export async function startFakeEngine(
  answers: Readonly<Record<string, unknown>>,
): Promise<FakeEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'fake-engine-'))
  const socket = join(folder, 'engine.sock')
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '')
    asked.push(path)
    if (!(path in answers)) {
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end('{"message":"no such image"}')
    } else if (answers[path] !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answers[path]))
    }
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    endpoint: `unix://${socket}`,
    asked,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
