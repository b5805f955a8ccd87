/** What the text of an option means. */
import { resolve } from 'node:path'
import { Duration, OpenExecError } from '../schema/index.ts'

/** In `ms`. `name` is that of the option. */
export function durationOf(name: string, text: string): number {
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError('bad_request', `Cannot use ${name} "${text}": expected a duration`)
}

/** Names stay names; what looks like a path is one, seen from here. */
export function blueprintName(cwd: string, text: string): string {
  return /[/\\]|\.ya?ml$/.test(text) ? resolve(cwd, text) : text
}
