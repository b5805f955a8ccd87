import { byteString } from './byte-text.ts'
import { type Edit, type Judged, reject } from './edit.ts'
import { parseBlocks } from './parse-blocks.ts'
import { parseEnvelope } from './parse-envelope.ts'
import { parseUnified } from './parse-unified.ts'
import type { Counts } from './unified-hunk.ts'

/** Bytes */
const PATCH_BYTES_MAX = 16 * 1024 * 1024

export type PatchFormat = 'unified' | 'envelope' | 'search_replace'

/**
 * Reads a patch in any of the three syntaxes; which one is seen from its text. Pure, total, never
 * throws. `counts: 'exact'` refuses hunks whose headers count wrong, as a patch cut short would.
 */
export function parsePatch(
  patch: Uint8Array | string,
  { counts }: { counts: Counts },
): Judged<{ format: PatchFormat; edits: Edit[] }> {
  const text = byteString(patch)
  if (text.length > PATCH_BYTES_MAX)
    return reject({
      code: 'patch_too_large',
      message: `The patch has ${text.length} bytes, more than ${PATCH_BYTES_MAX}`,
      next_action: 'Split it',
    })
  const format = formatOf(text)
  const edits = parserOf(format, counts)(text)
  return edits.ok ? { ok: true, value: { format, edits: edits.value } } : edits
}

function formatOf(text: string): PatchFormat {
  // Inside a unified diff these could only stand behind " ", "+" or "-".
  if (/^\*\*\* Begin Patch\s*$/m.test(text)) return 'envelope'
  if (/^<{5,9} SEARCH\s*$/m.test(text)) return 'search_replace'
  return 'unified'
}

function parserOf(format: PatchFormat, counts: Counts): (text: string) => Judged<Edit[]> {
  switch (format) {
    case 'envelope':
      return parseEnvelope
    case 'search_replace':
      return parseBlocks
    case 'unified':
      return (text) => parseUnified(text, counts)
  }
}
