/** How a sandbox, and a file in one, are named on the command line. */
import { OpenExecError } from '../schema/index.ts'

const PREFIX = /^(?:sbx_)?[0-9a-hjkmnp-tv-z]{1,16}$/
/** Two letters at least, so that a drive is none. */
const PLACE = /^([0-9a-z_]{2,20}):(.*)$/s

/** Refused here already, because an id becomes a part of an address. Throws `bad_request`. */
export function readSandboxPrefix(text: string): string {
  if (PREFIX.test(text)) return text
  throw new OpenExecError('bad_request', `Cannot find sandbox "${text}": expected an id`, {
    hint: 'List them with `openexec sandbox ls`',
  })
}

export interface SandboxPlace {
  sandbox: string
  /** Absolute; what is named relative lies in /workspace. */
  path: string
}

/** `SANDBOX:PATH`; `undefined` for a path of this machine. */
export function readPlace(text: string): SandboxPlace | undefined {
  const [, sandbox, path] = PLACE.exec(text) ?? []
  if (sandbox === undefined || path === undefined) return undefined
  return {
    sandbox: readSandboxPrefix(sandbox),
    path: path.startsWith('/') ? path : `/workspace/${path}`,
  }
}
