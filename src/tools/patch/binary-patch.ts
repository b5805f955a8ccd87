/** `GIT binary patch`: base 85, deflate, and git's delta form. Sizes are capped before inflating. */
import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { type BinaryChange, type Edit, type Judged, reject } from './edit.ts'
import { type PatchLines, syntaxError } from './patch-lines.ts'

/** Bytes of one binary file, or of the delta that makes it. */
const BINARY_BYTES_MAX = 32 * 1024 * 1024

const DIGITS =
  '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~'
const VALUE_OF = new Map(Array.from(DIGITS).map((digit, value) => [digit, value]))

/** The forward half; the reverse one, if any, is read over. */
export function parseBinaryPatch(
  lines: PatchLines,
  oldOid: string | undefined,
): Judged<BinaryChange> {
  lines.next()
  const forward = readBlock(lines)
  if (!forward.ok) return forward
  if (/^(literal|delta) \d/.test(lines.peek() ?? '')) readBlock(lines)
  const { method, data } = forward.value
  const known = oldOid !== undefined && !/^0+$/.test(oldOid) ? oldOid : undefined
  return { ok: true, value: { method, data, oldOid: known } }
}

/** The content a binary edit makes; the content before must be the one the patch was made from. */
export function applyBinary(
  edit: Edit,
  change: BinaryChange,
  before: Uint8Array | undefined,
): Judged<Uint8Array> {
  const refuse = (message: string) =>
    reject({
      code: 'base_changed',
      message,
      file: edit.path,
      next_action: 'Make the patch again from the file as it is',
    })
  if (before !== undefined && change.oldOid !== undefined && !hasOid(before, change.oldOid))
    return refuse('The file is not the one the binary patch was made from')
  if (change.method === 'literal') return { ok: true, value: change.data }
  const made = before === undefined ? undefined : applyDelta(before, change.data)
  return made === undefined
    ? refuse('The binary delta does not fit the file')
    : { ok: true, value: made }
}

function readBlock(lines: PatchLines): Judged<{ method: 'literal' | 'delta'; data: Uint8Array }> {
  const place = lines.at()
  const head = /^(literal|delta) (\d{1,9})\r?$/.exec(lines.next() ?? '')
  const size = Number(head?.[2])
  if (head === null || size > BINARY_BYTES_MAX)
    return syntaxError(place, `a binary block says no size up to ${BINARY_BYTES_MAX} bytes`)
  const chunks: Uint8Array[] = []
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    const text = line.replace(/\r$/, '')
    if (text === '') break
    const chunk = decodeLine(text)
    if (chunk === undefined) return syntaxError(lines.at() - 1, 'it is not base 85')
    chunks.push(chunk)
  }
  const data = inflated(Buffer.concat(chunks), size)
  if (data === undefined) return syntaxError(place, `the binary block does not hold ${size} bytes`)
  return { ok: true, value: { method: head[1] === 'delta' ? 'delta' : 'literal', data } }
}

/** One line: a letter for the number of bytes, then five digits for each four of them. */
function decodeLine(line: string): Uint8Array | undefined {
  const code = line.charCodeAt(0)
  const length = code >= 97 ? code - 97 + 27 : code - 65 + 1
  if (length < 1 || length > 52 || (line.length - 1) % 5 !== 0) return undefined
  const bytes = Buffer.alloc(((line.length - 1) / 5) * 4)
  if (bytes.length < length) return undefined
  for (let index = 1; index < line.length; index += 5) {
    let value = 0
    for (const digit of line.slice(index, index + 5)) {
      const next = VALUE_OF.get(digit)
      if (next === undefined) return undefined
      value = value * 85 + next
    }
    if (value > 0xffffffff) return undefined
    bytes.writeUInt32BE(value, ((index - 1) / 5) * 4)
  }
  return bytes.subarray(0, length)
}

function inflated(data: Uint8Array, size: number): Uint8Array | undefined {
  try {
    const bytes = inflateSync(data, { maxOutputLength: size + 1 })
    return bytes.length === size ? bytes : undefined
  } catch {
    return undefined
  }
}

function hasOid(content: Uint8Array, oid: string): boolean {
  const algorithm = oid.length > 40 ? 'sha256' : 'sha1'
  const hash = createHash(algorithm)
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest('hex')
  return hash.startsWith(oid)
}

/** Git's delta: both sizes, then copies from the base and insertions; `undefined` when malformed. */
function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array | undefined {
  const reader = { at: 0 }
  const sourceSize = readSize(delta, reader)
  const targetSize = readSize(delta, reader)
  if (sourceSize !== base.length || targetSize > BINARY_BYTES_MAX) return undefined
  const target = Buffer.alloc(targetSize)
  let filled = 0
  while (reader.at < delta.length) {
    const command = delta[reader.at++] ?? 0
    if (command === 0) return undefined
    const copy = command < 128 ? undefined : readCopy(delta, reader, command)
    const from = copy?.offset ?? reader.at
    const length = copy?.length ?? command
    const source = copy === undefined ? delta : base
    if (from + length > source.length || filled + length > targetSize) return undefined
    target.set(source.subarray(from, from + length), filled)
    filled += length
    if (copy === undefined) reader.at += length
  }
  return filled === targetSize ? target : undefined
}

function readSize(delta: Uint8Array, reader: { at: number }): number {
  let value = 0
  for (let factor = 1; factor < 2 ** 42; factor *= 128) {
    const byte = delta[reader.at++] ?? 0
    value += (byte & 127) * factor
    if (byte < 128) break
  }
  return value
}

function readCopy(delta: Uint8Array, reader: { at: number }, command: number) {
  const take = (bits: readonly number[]) => {
    let value = 0
    for (const [place, bit] of bits.entries())
      if ((command & bit) !== 0) value += (delta[reader.at++] ?? 0) * 256 ** place
    return value
  }
  const offset = take([1, 2, 4, 8])
  const length = take([16, 32, 64])
  return { offset, length: length === 0 ? 0x10000 : length }
}
