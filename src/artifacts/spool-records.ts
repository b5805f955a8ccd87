import { z } from 'zod'
import { createLineReader } from './index-lines.ts'
import type { SpoolEnd, SpoolHeader, Stream } from './spool-format.ts'

const Size = z.number().int().nonnegative()
const Header = z.object({ v: z.literal(1), step: z.string(), head: Size, tail: Size })
const End = z.object({ bytes: Size, head: Size, tail: Size })
const EndLine = z.object({ end: z.object({ stdout: End, stderr: End }) })
const RECORD = /^([oe]) (\d{1,15})$/

export interface SpoolRecords {
  readonly header: SpoolHeader | undefined
  readonly end: SpoolEnd | undefined
  /** Whether every record was given and none will follow. */
  readonly ended: boolean
  /** The run lengths that were added since the last call. */
  next(): AsyncGenerator<{ stream: Stream; bytes: number }>
  /** Learns of an end that stands behind records not yet given. */
  lookForEnd(): Promise<SpoolEnd | undefined>
}

/** What an index says, read while it grows; lines that make no sense are passed over. */
export function createSpoolRecords(path: string): SpoolRecords {
  const lines = createLineReader(path)
  let header: SpoolHeader | undefined
  let end: SpoolEnd | undefined
  let ended = false
  return {
    get header() {
      return header
    },
    get end() {
      return end
    },
    get ended() {
      return ended
    },
    next: async function* () {
      for await (const line of lines.next()) {
        const [, letter, digits] = RECORD.exec(line) ?? []
        if (letter !== undefined)
          yield { stream: letter === 'o' ? 'stdout' : 'stderr', bytes: Number(digits) }
        else {
          header ??= parseLine(Header, line)
          end ??= parseLine(EndLine, line)?.end
          ended = end !== undefined
        }
      }
    },
    lookForEnd: async () => {
      end ??= parseLine(EndLine, (await lines.last()) ?? '')?.end
      return end
    },
  }
}

function parseLine<Schema extends z.ZodType>(
  schema: Schema,
  line: string,
): z.output<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}
