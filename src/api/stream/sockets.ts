/**
 * One reader of a stream over a WebSocket. A frame is asked for when the one before has left, so a
 * slow reader keeps one frame in memory and nobody waiting; one that takes nothing, or does not answer
 * a ping, is cut off and goes on later from its cursor.
 */
import type { WebSocket } from 'ws'
import { OpenExecError } from '../../schema/index.ts'
import type { SentFrame } from './wire.ts'

/** Close codes, as `docs/api.md` lists them. */
export const CLOSE = {
  done: 1000,
  ending: 1001,
  refused: 1008,
  failed: 1011,
  tokenEnded: 4401,
  gone: 4404,
  tooSlow: 4408,
} as const

export interface SocketTimes {
  /** Between two pings, in `ms`; a reader has as long to answer. */
  pingMs: number
  /** How long one frame may take to leave, in `ms`. */
  sendMs: number
}

interface Pumped {
  frames(signal: AbortSignal): AsyncGenerator<SentFrame>
  /** Whether the token it was opened with is still valid. */
  isAllowed(): boolean
  times: SocketTimes
  onBug(error: unknown): void
}

/** Sends until the frames end or the reader is gone; the socket is closed afterwards. */
export async function pump(socket: WebSocket, options: Pumped): Promise<void> {
  const stop = new AbortController()
  const watch = watchReader(socket, options, () => stop.abort())
  try {
    for await (const { text, bytes } of options.frames(stop.signal)) {
      if (stop.signal.aborted) break
      if (!(await sent(socket, bytes ?? text, options.times.sendMs))) {
        socket.close(CLOSE.tooSlow, 'Nothing was read for too long')
        // A close that nobody reads ends nothing.
        socket.terminate()
        return
      }
    }
    if (!stop.signal.aborted) socket.close(CLOSE.done, 'The stream has ended')
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'not_found')
      return socket.close(CLOSE.gone, 'The run is gone')
    options.onBug(error)
    socket.close(CLOSE.failed, 'Internal error')
  } finally {
    watch.end()
    stop.abort()
  }
}

/** False when it did not leave in time or the reader is gone. */
async function sent(
  socket: WebSocket,
  message: string | Uint8Array,
  limitMs: number,
): Promise<boolean> {
  if (socket.readyState !== socket.OPEN) return false
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), limitMs)
    socket.send(message, (error) => {
      clearTimeout(timer)
      resolve(error === undefined || error === null)
    })
  })
}

function watchReader(
  socket: WebSocket,
  { isAllowed, times }: Pumped,
  stop: () => void,
): { end(): void } {
  let answered = true
  const look = () => {
    if (!isAllowed()) {
      socket.close(CLOSE.tokenEnded, 'The token is not valid any more')
      return stop()
    }
    if (!answered) {
      socket.terminate()
      return stop()
    }
    answered = false
    socket.ping()
  }
  const timer = setInterval(look, times.pingMs)
  socket.on('pong', () => {
    answered = true
  })
  // A stream is read only: whoever sends something takes it for something else.
  socket.on('message', () => {
    socket.close(CLOSE.refused, 'A stream takes no messages')
    stop()
  })
  socket.on('close', stop)
  socket.on('error', stop)
  return { end: () => clearInterval(timer) }
}
