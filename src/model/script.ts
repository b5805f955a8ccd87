/** The script file of the `scripted` model: what each turn expects to be sent, and what it answers. */
import { z } from 'zod'
import { Duration, parseYaml, type ParsedYaml, StopReason } from '../schema/index.ts'
import { FAILURE_TABLE, type ModelFailureClass } from './errors.ts'

const Texts = z.union([z.string(), z.array(z.string()).min(1).max(20)])

const TextExpectation = z.strictObject({
  contains: Texts.optional(),
  not_contains: Texts.optional(),
  equals: z.string().optional(),
})
export type TextExpectation = z.infer<typeof TextExpectation>

const Expectation = z.strictObject({
  stage: z.string().optional(),
  /** Tools that must be offered; others may be, too. */
  tools: z.array(z.string()).max(64).optional(),
  system: TextExpectation.optional(),
  last_user: TextExpectation.optional(),
  last_tool: z
    .strictObject({
      ...TextExpectation.shape,
      name: z.string().optional(),
      ok: z.boolean().optional(),
    })
    .optional(),
  /** Messages sent, the first one included. */
  messages: z.number().int().positive().optional(),
})
export type Expectation = z.infer<typeof Expectation>

const Tokens = z.number().int().nonnegative().max(1_000_000_000)

const failureClasses = Object.keys(FAILURE_TABLE)

const ScriptError = z
  .strictObject({
    status: z.number().int().min(400).max(599).optional(),
    class: z
      .string()
      // The keys of the table are its classes; Object.keys loses that.
      .refine((name): name is ModelFailureClass => failureClasses.includes(name), {
        message: `Expected one of ${failureClasses.join(', ')}`,
      })
      .optional(),
    message: z.string().max(1000).optional(),
    retry_after: Duration.optional(),
  })
  .refine((error) => (error.status === undefined) !== (error.class === undefined), {
    message: 'Expected either status or class',
  })

const Reply = z
  .strictObject({
    text: z.string().optional(),
    tool_calls: z
      .array(
        z.strictObject({ name: z.string(), args: z.json().optional(), id: z.string().optional() }),
      )
      .max(64)
      .optional(),
    stop: StopReason.optional(),
    usage: z
      .strictObject({
        input: Tokens,
        output: Tokens,
        cache_read: Tokens.optional(),
        cache_write: Tokens.optional(),
      })
      .optional(),
    error: ScriptError.optional(),
    /** How long the answer takes. */
    delay: Duration.optional(),
    /** The turn answers this many calls. */
    times: z.number().int().positive().max(10_000).optional(),
  })
  .refine(
    ({ error, text, tool_calls }) =>
      error === undefined || (text === undefined && tool_calls === undefined),
    { message: 'Expected either an error or an answer' },
  )
export type Reply = z.infer<typeof Reply>

const UsdPerMillion = z.number().nonnegative().max(100_000)

export const Script = z.strictObject({
  provider: z.literal('scripted'),
  model: z.string().min(1).max(100).optional(),
  /** USD for one million tokens, so that a script can spend money it does not cost. */
  price: z.strictObject({ input: UsdPerMillion, output: UsdPerMillion }).optional(),
  turns: z.array(z.strictObject({ expect: Expectation.optional(), reply: Reply })).max(1000),
  on_exhausted: z.enum(['fail', 'repeat_last']).optional(),
})
export type Script = z.infer<typeof Script>

export interface ScriptFile extends ParsedYaml<Script> {
  /** As shown to the user. */
  file: string
}

/** Reads a script. Throws `config_invalid` with every finding as `file:line:column`. */
export function parseScript(source: { file: string; text: string }): ScriptFile {
  return { file: source.file, ...parseYaml(source, Script, 'config_invalid') }
}
