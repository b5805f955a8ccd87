import type { Tenant } from '../schema/index.ts'
import { createRuntime, type RuntimeDeps } from './create-runtime.ts'
import type { Runtime } from './runtime.ts'

/** Tenants whose runtime is at hand; each is a few functions and keeps nothing. */
const RUNTIMES_MAX = 256

/** The runtime as each tenant may use it. */
export function runtimesByTenant(deps: Omit<RuntimeDeps, 'tenant'>): (tenant: Tenant) => Runtime {
  const known = new Map<Tenant, Runtime>()
  return (tenant) => {
    const runtime = known.get(tenant) ?? createRuntime({ ...deps, tenant })
    known.set(tenant, runtime)
    const [oldest] = known.keys()
    if (known.size > RUNTIMES_MAX && oldest !== undefined) known.delete(oldest)
    return runtime
  }
}
