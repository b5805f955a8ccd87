/**
 * Cuts an output to what a model should see: the head and, longer, the tail, where errors stand. A
 * cut falls between lines where it can, and never inside a character.
 */

/** Part of the room that the head gets. */
const HEAD_SHARE = 0.4
/** A line this long is cut in itself rather than left out whole. */
const LINE_SHARE = 0.25

export interface Truncated {
  head: string
  tail: string
  elidedBytes: number
}

/** `undefined` when `text` fits into `bytesMax`. */
export function truncate(text: string, bytesMax: number): Truncated | undefined {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= bytesMax) return undefined
  const headMax = Math.floor(bytesMax * HEAD_SHARE)
  const headEnd = headCut(bytes, headMax)
  const tailStart = tailCut(bytes, bytes.length - (bytesMax - headMax))
  return {
    head: bytes.toString('utf8', 0, headEnd),
    tail: bytes.toString('utf8', tailStart),
    elidedBytes: tailStart - headEnd,
  }
}

function headCut(bytes: Buffer, at: number): number {
  const line = bytes.lastIndexOf(0x0a, Math.max(0, at - 1)) + 1
  return line >= at * (1 - LINE_SHARE) ? line : characterStart(bytes, at)
}

function tailCut(bytes: Buffer, at: number): number {
  const line = bytes.indexOf(0x0a, at) + 1
  const near = line > 0 && line - at <= (bytes.length - at) * LINE_SHARE
  if (near) return line
  const start = characterStart(bytes, at)
  return start < at ? start + characterLength(bytes[start] ?? 0) : start
}

/** The beginning of the character that covers `at`. */
function characterStart(bytes: Buffer, at: number): number {
  let start = at
  while (start > 0 && at - start < 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1
  return start
}

function characterLength(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}
