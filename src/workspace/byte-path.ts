/**
 * Paths as git and Linux see them: bytes. A `BytePath` is a string with one character per byte
 * (latin1), so it can be compared, split and used as a key without losing a byte that is no UTF-8.
 * Only this file turns such a path into something for the file system, for git or for a person.
 */
import { isUtf8 } from 'node:buffer'

export type BytePath = string

const ASCII = /^[\x20-\x7e]*$/

export function toBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

export function fromBytes(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Text when the bytes are UTF-8, else the bytes: what predicates and globs are asked with. */
export function toName(path: BytePath): string | Uint8Array {
  if (ASCII.test(path)) return path
  const bytes = toBytes(path)
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes
}

export function fromName(name: string | Uint8Array): BytePath {
  return typeof name === 'string' ? fromBytes(Buffer.from(name, 'utf8')) : fromBytes(name)
}

/** For tables and matching by people; bytes that are no UTF-8 read as U+FFFD. */
export function toText(path: BytePath): string {
  return ASCII.test(path) ? path : toBytes(path).toString('utf8')
}

/** For messages: quoted, control characters escaped, at most 200 characters. */
export function showPath(path: BytePath): string {
  return JSON.stringify(toText(path).slice(0, 200)).replaceAll('\u007f', '\\u007f')
}

/** `directory` (a host path) joined with bytes, for `node:fs`. */
export function fsPath(directory: string, path: BytePath): string | Buffer {
  if (ASCII.test(path)) return `${directory}/${path}`
  return Buffer.concat([Buffer.from(`${directory}/`, 'utf8'), toBytes(path)])
}

/** Git's C-style quoting, every byte outside plain ASCII in octal: fit for fast-import. */
export function quotePath(path: BytePath): string {
  const escaped = path.replaceAll(/[^\x20-\x7e]|["\\]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
  return `"${escaped}"`
}

/** Every directory above the path, nearest first, without the root. */
export function* parentsOf(path: BytePath): Generator<BytePath> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    yield path.slice(0, at)
  }
}
