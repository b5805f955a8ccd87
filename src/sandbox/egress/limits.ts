/** What one sandbox may take of the gateway; every wait and every buffer in it ends here. */
export interface EgressLimits {
  /** Connections at the same time. */
  connectionsMax: number
  /** Bytes of a request's head, and of a TLS greeting. */
  headBytesMax: number
  /** `ms` for a whole head or SOCKS greeting. */
  headMs: number
  /** `ms` for a whole TLS greeting. */
  helloMs: number
  /** `ms` for all answers to one name. */
  resolveMs: number
  /** `ms` for one address to answer. */
  dialMs: number
  /** Addresses tried for one connection. */
  addressesMax: number
  /** `ms` without a byte in either direction. */
  idleMs: number
  /** `ms` of one connection. */
  connectionMs: number
  /** Bytes in both directions, of all connections of the sandbox. */
  bytesMax: number
}

export const EGRESS_LIMITS: EgressLimits = {
  connectionsMax: 256,
  headBytesMax: 16_384,
  headMs: 10_000,
  helloMs: 5_000,
  resolveMs: 10_000,
  dialMs: 10_000,
  addressesMax: 4,
  idleMs: 300_000,
  connectionMs: 3_600_000,
  bytesMax: 64 * 1024 ** 3,
}
