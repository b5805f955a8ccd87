import type { Environment } from '../engine-addresses.ts'
import { createEgressDoor, type EgressDoor, type RunSide } from './door.ts'
import { classifyHere, dialAddress, resolveName, rootsOf } from './internet.ts'
import { EGRESS_LIMITS } from './limits.ts'
import { createNameCache } from './name-cache.ts'
import type { EgressRecord } from './session.ts'
import type { WayOutDeps } from './way-out.ts'

/** What lies outside: who knows names, who connects, and which addresses may be reached. */
export type Internet = Pick<WayOutDeps, 'resolve' | 'dial' | 'classify' | 'roots'>

/** Opens doors of sandboxes; each has limits of its own. */
export interface Gateway {
  door(run: RunSide, onRecord: (record: EgressRecord) => void): EgressDoor
}

/** The machine's own network. `certificates` names authorities of this site. */
export function machineInternet(certificates: Environment): Internet {
  return {
    resolve: createNameCache(resolveName, () => performance.now()),
    dial: dialAddress,
    classify: classifyHere,
    roots: rootsOf(certificates),
  }
}

export function createGateway(internet: Internet): Gateway {
  const now = () => performance.now()
  return {
    door: (run, onRecord) =>
      createEgressDoor({ ...internet, ...run, limits: EGRESS_LIMITS, now, onRecord }),
  }
}
