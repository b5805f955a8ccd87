import { ByteSize, OpenExecError } from '../schema/index.ts'

/** Bytes as people write them. Throws `bad_request`. */
export function sizeOf(name: string, text: string): number {
  const parsed = ByteSize.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use ${name} "${text}": expected a size such as 20GB`,
  )
}
