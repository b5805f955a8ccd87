import { createEgressDoor, type EgressDoor } from './door.ts'
import { classifyHere, dialAddress, resolveName } from './internet.ts'
import { EGRESS_LIMITS } from './limits.ts'
import type { EgressRecord } from './session.ts'
import type { WayOutDeps } from './way-out.ts'

/** What lies outside: who knows names, who connects, and which addresses may be reached. */
export type Internet = Pick<WayOutDeps, 'resolve' | 'dial' | 'classify'>

/** Opens doors of sandboxes; each has limits of its own. */
export interface Gateway {
  door(onRecord: (record: EgressRecord) => void): EgressDoor
}

/** The machine's own network. */
export const INTERNET: Internet = {
  resolve: resolveName,
  dial: dialAddress,
  classify: classifyHere,
}

export function createGateway(internet: Internet): Gateway {
  const now = () => performance.now()
  return {
    door: (onRecord) => createEgressDoor({ ...internet, limits: EGRESS_LIMITS, now, onRecord }),
  }
}
