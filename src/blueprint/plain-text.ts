/** Text from inside a sandbox, made fit to be stored beside a verdict and shown to a person. */

/** Characters of a detail of a stage or a run. */
const DETAIL_CHARS_MAX = 2000

const CUT = '…'

/**
 * One line without control characters, invisible ones that turn the direction of text among them, cut
 * at `charsMax`.
 */
export function plainText(text: string, charsMax: number = DETAIL_CHARS_MAX): string {
  // Cut first: a hostile text may have hundreds of megabytes.
  const isLong = text.length > charsMax
  const plain = text
    .slice(0, isLong ? charsMax - CUT.length : charsMax)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu, '\uFFFD')
    .trim()
  return isLong ? `${plain}${CUT}` : plain
}
