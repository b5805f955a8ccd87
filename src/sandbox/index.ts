export { findEngine } from './connect.ts'
export type { HeldSecret } from './egress/credentials.ts'
export type { EgressDoor, RunSide } from './egress/door.ts'
export { createGateway, type Gateway, type Internet, machineInternet } from './egress/gateway.ts'
export { type Place, reach } from './egress/reach.ts'
export { createRunAuthority } from './egress/run-authority.ts'
export type { EgressRecord } from './egress/session.ts'
export type { EngineFacts } from './engine-facts.ts'
export { OWN_IMAGES } from './images.ts'
export type { KeptSandbox, KeptSandboxes } from './kept-sandboxes.ts'
export type { SandboxSpec } from './open.ts'
export type { WarmSandbox } from './pool-shelf.ts'
export { poolDirectory, sweepPoolSlots } from './pool-slots.ts'
export { authoritySources, findPrivateAuthorities } from './private-authorities.ts'
export type { Probed } from './probe.ts'
export { declareDead, ownerState, processOwner } from './process-owner.ts'
export { SandboxSession } from './session.ts'
export type {
  CommandKeeper,
  DirectoryEntry,
  ExecRequest,
  InteractiveCommand,
  InteractiveSandbox,
  Sandbox,
} from './sandbox.ts'
export { createSandboxes, type Sandboxes } from './sandboxes.ts'
