import { OpenExecError, RunId } from '../schema/index.ts'
import { tenantOfRun } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import type { Runtime } from './runtime.ts'

/**
 * The runtime as one tenant may use it: whatever method is given the id of a run, that run belongs to
 * the tenant, or it is not there. Methods added later are held to it without doing anything for it.
 */
export function ownedOnly(
  { state, tenant }: Pick<RuntimeDeps, 'state' | 'tenant'>,
  runtime: Runtime,
): Runtime {
  const check = (first: unknown): void => {
    const id = RunId.safeParse(first)
    if (!id.success || tenantOfRun(state.db, id.data) === tenant) return
    throw new OpenExecError('not_found', `Cannot find run "${id.data}"`, {
      hint: 'List runs with `openexec ps`',
    })
  }
  return new Proxy(runtime, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        check(args[0])
        return Reflect.apply(member, target, args)
      }
    },
  })
}
