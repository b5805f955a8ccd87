import { z } from 'zod'

const WORDS_MAX = 4096
const ARGV_BYTES_MAX = 131_072

/** A command as the sandbox takes it: words without NUL characters, 128 KiB at most. */
export const Argv = z
  .array(z.string().refine((word) => !word.includes('\0'), 'Expected no NUL character'))
  .min(1)
  .max(WORDS_MAX)
  .refine(
    (argv) => Buffer.byteLength(argv.join(' ')) <= ARGV_BYTES_MAX,
    `Expected at most ${ARGV_BYTES_MAX} bytes`,
  )

/** What a person puts in the place of what a run asks for. */
export const ApprovalEdit = z.strictObject({ argv: Argv })
export type ApprovalEdit = z.infer<typeof ApprovalEdit>
