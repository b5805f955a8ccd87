/**
 * What is known of one blob, made once from its bytes: it depends on nothing else. The text itself is
 * not kept, since a pack shows a few files of the thousands that are ranked.
 */
import { type Definition, definitionsOf } from './definitions.ts'
import { countIdentifiers } from './terms.ts'

export interface FileIndex {
  /** How often each identifier or word stands in the text, as it is written. */
  identifiers: ReadonlyMap<string, number>
  /** Identifiers and words in all. */
  length: number
  definitions: readonly Definition[]
}

/** Bytes looked at for a NUL. */
const SNIFFED_BYTES = 8192
/** `undefined` for a file that is not text. */
export function indexFile(bytes: Uint8Array): FileIndex | undefined {
  if (bytes.subarray(0, SNIFFED_BYTES).includes(0)) return undefined
  const text = textOf(bytes)
  const identifiers = countIdentifiers(text)
  let length = 0
  for (const count of identifiers.values()) length += count
  return { identifiers, length, definitions: definitionsOf(linesOfText(text)) }
}

/** A text's lines without their ends. */
export function linesOf(bytes: Uint8Array): string[] {
  return linesOfText(textOf(bytes))
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

function linesOfText(text: string): string[] {
  const lines = (text.includes('\r') ? text.replaceAll('\r\n', '\n') : text).split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}
