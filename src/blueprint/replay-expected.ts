import type { JsonObject } from '../schema/index.ts'

/** What an event must hold, as far as the program decides it. */
export interface Expected {
  stage?: string | undefined
  attempt?: number | undefined
  /** Members that are decided again; the others are taken from the record. */
  payload: JsonObject
  /** Whether these are all members there are. */
  whole: boolean
}
