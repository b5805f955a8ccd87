/**
 * What goes into a command: frames in a request body, with standard input taken no faster than the
 * server takes it, a terminal's size as it changes, and signals.
 */
import { encodeExecFrame, EXEC_TO, type ExecStart, type TerminalSize } from '../schema/index.ts'

export interface Keyboard {
  /** Whether a person types there. */
  isTerminal: boolean
  /** Every key as a byte, Ctrl-C among them; undone by `close()`. */
  setRaw(): void
  onBytes(take: (bytes: Uint8Array) => void, end: () => void): void
  pause(): void
  resume(): void
  /** Size of the terminal that shows the output; `undefined` where it is none. */
  size(): TerminalSize | undefined
  onResize(changed: () => void): void
  close(): void
}

export interface ExecInput {
  body: ReadableStream<Uint8Array<ArrayBuffer>>
  signal(name: string): void
  close(): void
}

/** Bytes on their way to the server before standard input waits. */
const WAITING_BYTES_MAX = 256 * 1024

export function openExecInput(start: ExecStart, keyboard: Keyboard): ExecInput {
  let open = true
  let send: (type: number, payload: Uint8Array | object) => void = () => {}
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        send = (type, payload) => {
          if (!open) return
          controller.enqueue(encodeExecFrame(type, payload))
          if ((controller.desiredSize ?? 0) <= 0) keyboard.pause()
        }
        send(EXEC_TO.start, start)
        if (start.terminal !== undefined)
          keyboard.onResize(() => {
            const size = keyboard.size()
            if (size !== undefined) send(EXEC_TO.resize, size)
          })
        if (start.stdin)
          keyboard.onBytes(
            (bytes) => send(EXEC_TO.stdin, bytes),
            () => send(EXEC_TO.end, new Uint8Array()),
          )
      },
      pull: () => keyboard.resume(),
      cancel: () => {
        open = false
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX }),
  )
  return {
    body,
    signal: (name) => send(EXEC_TO.signal, { name }),
    close() {
      open = false
      keyboard.close()
    },
  }
}
