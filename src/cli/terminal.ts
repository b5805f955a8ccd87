/**
 * Makes output of a sandbox safe for a terminal: colours and plain text pass, everything that moves
 * the cursor, sets titles, asks the terminal or hides text does not. Works across chunk borders.
 */

/** Longest escape sequence that is waited for; a longer one is dropped piece by piece. */
const PENDING_CHARS_MAX = 256

const ESC = '\u001b'
const SGR = new RegExp(`^${ESC}\\[[0-9;:]*m`)
const SEQUENCE = new RegExp(
  `^(?:${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}[\\]P^_X][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)|${ESC}[ -/]*[0-Z\\\\^-~])`,
)
/** The beginning of a sequence that may go on in the next chunk. */
const UNFINISHED = new RegExp(
  `^${ESC}(?:$|\\[[0-?]*[ -/]*$|[\\]P^_X][^\\u0007${ESC}]*(?:$|${ESC}$)|[ -/]+$)`,
)

export interface TerminalFilter {
  /** The safe part of `chunk`, and of what was held back before. */
  push(chunk: Uint8Array): string
  /** What is left at the end. */
  end(): string
}

export function createTerminalFilter(): TerminalFilter {
  const decoder = new TextDecoder()
  let pending = ''
  const clean = (final: boolean): string => {
    let out = ''
    while (pending !== '') {
      const at = pending.indexOf(ESC)
      const plain = at === -1 ? pending : pending.slice(0, at)
      out += plainText(plain)
      pending = pending.slice(plain.length)
      if (pending === '') break
      const sequence = SEQUENCE.exec(pending)?.[0]
      if (sequence !== undefined) {
        if (SGR.test(sequence) && !conceals(sequence)) out += sequence
        pending = pending.slice(sequence.length)
      } else if (!final && pending.length <= PENDING_CHARS_MAX && UNFINISHED.test(pending)) break
      else pending = pending.slice(1)
    }
    return out
  }
  return {
    push(chunk) {
      pending += decoder.decode(chunk, { stream: true })
      return clean(false)
    },
    end() {
      pending += decoder.decode()
      return clean(true)
    },
  }
}

/** Whether a colour sequence also makes text invisible; the 8 of a palette is only a colour. */
function conceals(sequence: string): boolean {
  const parameters = sequence.slice(2, -1).split(';')
  for (let index = 0; index < parameters.length; index++) {
    const parameter = parameters[index] ?? ''
    if (Number(parameter.split(':', 1)[0]) === 8) return true
    // A palette number or three parts of a colour follow.
    if (/^[345]8$/.test(parameter)) index += parameters[index + 1] === '5' ? 2 : 4
  }
  return false
}

/** One line of untrusted text: no control character at all. */
export function safeLine(text: string): string {
  return safeText(text).replace(/[\r\n\t]+/g, ' ')
}

/** Untrusted text of several lines: none can be written over, and nothing but text reaches the terminal. */
export function safeText(text: string): string {
  return plainText(text.replaceAll(ESC, '␛')).replaceAll('\r', '')
}

/** Control and invisible direction characters removed; line ends and tabs stay. */
function plainText(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    '',
  )
}
