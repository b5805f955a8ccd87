/** Line endings of a checkout against those of a blob; files with a NUL byte are never text. */

/** The content with LF alone, or undefined when there is no CRLF to change. */
export function toUnixLines(content: Buffer): Buffer | undefined {
  if (!content.includes('\r\n') || content.includes(0)) return undefined
  return Buffer.from(content.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}

/** The content with CRLF everywhere; unchanged when it is not text. */
export function toDosLines(content: Buffer): Buffer {
  if (content.includes(0)) return content
  return Buffer.from(content.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1')
}
