/** The real standard input and the terminal around it. */
import type { Keyboard } from './exec-input.ts'

export function openProcessKeyboard(): Keyboard {
  const { stdin, stdout } = process
  let isRaw = false
  let isReading = false
  const onResize: (() => void)[] = []
  return {
    isTerminal: stdin.isTTY,
    setRaw() {
      if (!stdin.isTTY) return
      stdin.setRawMode(true)
      isRaw = true
    },
    onBytes(take, end) {
      isReading = true
      stdin.on('data', take).once('end', end).once('error', end)
    },
    pause: () => {
      if (isReading) stdin.pause()
    },
    resume: () => {
      if (isReading) stdin.resume()
    },
    size() {
      const { rows, columns } = stdout
      return rows > 0 && columns > 0 ? { rows, columns } : undefined
    },
    onResize(changed) {
      onResize.push(changed)
      stdout.on('resize', changed)
    },
    close() {
      for (const changed of onResize) stdout.off('resize', changed)
      if (isRaw) stdin.setRawMode(false)
      if (!isReading) return
      stdin.removeAllListeners('data').removeAllListeners('end')
      // A pipe that stays open would keep the process.
      stdin.destroy()
    },
  }
}
