import { createHash } from 'node:crypto'

/** A repeatable generator of numbers in [0, 1): equal seeds give equal sequences. Not for secrets. */
export function seededRandom(seed: string): () => number {
  let counter = 0
  return () => {
    const digest = createHash('sha256').update(`${seed}\0${counter++}`).digest()
    return digest.readUInt32BE(0) / 2 ** 32
  }
}
