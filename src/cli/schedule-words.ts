import { OpenExecError } from '../schema/index.ts'

/** As it is shown: whole, in UTC. */
export function momentOf(at: number | undefined): string {
  return at === undefined ? 'never' : new Date(at).toISOString().replace('.000Z', 'Z')
}

/** Refused here already, because a name becomes a part of an address. */
export function scheduleName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)) return text
  throw new OpenExecError(
    'bad_request',
    `Cannot use "${text}" as the name of a schedule: expected letters, digits, ".", "_" and "-"`,
  )
}
