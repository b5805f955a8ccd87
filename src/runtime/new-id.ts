import { randomBytes } from 'node:crypto'
import type { NewId } from '../schema/index.ts'

/** Without i, l, o and u, so that an id can be read aloud. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LENGTH = 16

/** Ids of 80 random bits. */
export function createNewId(): NewId {
  return (prefix) => {
    const digits = Array.from(randomBytes(LENGTH), (byte) => ALPHABET.charAt(byte & 31)).join('')
    return `${prefix}_${digits}`
  }
}
