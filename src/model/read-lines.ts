/** Lines of a body, whole characters, as they come; the last one also without its end. */
export async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  for await (const chunk of body) {
    const [first = '', ...rest] = decoder.decode(chunk, { stream: true }).split('\n')
    pieces.push(first)
    for (const next of rest) {
      yield* unlessEmpty(pieces.join(''))
      pieces = [next]
    }
  }
  yield* unlessEmpty(pieces.join('') + decoder.decode())
}

function unlessEmpty(line: string): string[] {
  const text = line.trim()
  return text === '' ? [] : [text]
}
