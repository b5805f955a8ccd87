import { OpenExecError } from '../schema/index.ts'
import type { Runtime } from './runtime.ts'
import type { Tokens } from './tokens.ts'

/** Stands where there is no state directory: every question about a run is refused. */
export function noRuntime<Interface extends object = Runtime & Tokens>(): Interface {
  const refuse = (): never => {
    throw new OpenExecError('bad_request', 'Cannot ask about runs without a state directory', {
      hint: 'Name a repository with --repo, or a state directory with --state',
    })
  }
  // Every member of the interface is a function, and all of them refuse.
  return new Proxy({}, { get: () => refuse }) as Interface
}
