/**
 * Paths as policy sees them: relative to the repository, `/` between segments, no `.` and no `..`.
 * Bytes that are not UTF-8 stay distinct: each becomes U+DC80–U+DCFF, which no valid name holds, so
 * a broken name can neither hide from a pattern nor pass for another name.
 */

/** Bytes of a path, as Linux has it. */
const PATH_MAX = 4096
const ESCAPE_BASE = 0xdc00

/** The normal form, `''` for the repository itself; `undefined` when it cannot be inside. */
export function normalRepoPath(path: string): string | undefined {
  if (path === '' || path.length > PATH_MAX || path.startsWith('/') || path.includes('\0'))
    return undefined
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  // Where `a/../b` leads depends on links, so it is never resolved by text.
  return segments.includes('..') ? undefined : segments.join('/')
}

/** For patterns that forbid: names that a case-insensitive file system takes for the same. */
export function foldPath(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase()
}

/** Whether a segment is `.git` in any spelling that some file system takes for it. */
export function touchesGitMetadata(path: string): boolean {
  return path.split('/').some((segment) => {
    const name = foldPath(segment.replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, ''))
    return /^(?:\.git|git~\d+)(?:[. ]*$|:)/.test(name)
  })
}

/** Bytes as text without loss. */
export function decodePath(bytes: Uint8Array): string {
  const whole = decodeUtf8(bytes)
  if (whole !== undefined) return whole
  let text = ''
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i] ?? 0
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    const char = decodeUtf8(bytes.subarray(i, i + length))
    text += char ?? String.fromCharCode(ESCAPE_BASE + lead)
    i += char === undefined ? 1 : length
  }
  return text
}

/** For people: control characters, and bytes that are not UTF-8, as `\xNN`. */
export function displayPath(path: string): string {
  return Array.from(path, (char) => {
    const code = char.codePointAt(0) ?? 0
    if (code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff) return hex(code - ESCAPE_BASE)
    if (!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(char)) return char
    return [...new TextEncoder().encode(char)].map(hex).join('')
  }).join('')
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
