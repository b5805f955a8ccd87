/** Every attempt there is, in the order of the document. */
import type { Attempt } from './attempt.ts'
import { CAPABILITY_ATTEMPTS } from './attempts/capabilities.ts'
import { DEVICE_ATTEMPTS } from './attempts/devices.ts'
import { HOST_ATTEMPTS } from './attempts/engine-and-host.ts'
import { IDENTITY_ATTEMPTS } from './attempts/identity.ts'
import { KERNEL_FILE_ATTEMPTS } from './attempts/kernel-files.ts'
import { MOUNT_ATTEMPTS } from './attempts/mounts.ts'
import { NETWORK_ATTEMPTS } from './attempts/network.ts'
import { RESOURCE_ATTEMPTS } from './attempts/resources.ts'
import { SUPERVISOR_ATTEMPTS } from './attempts/supervisor.ts'
import { SYSTEM_CALL_ATTEMPTS } from './attempts/system-calls.ts'

export const CORPUS: readonly Attempt[] = [
  ...CAPABILITY_ATTEMPTS,
  ...SYSTEM_CALL_ATTEMPTS,
  ...DEVICE_ATTEMPTS,
  ...MOUNT_ATTEMPTS,
  ...KERNEL_FILE_ATTEMPTS,
  ...HOST_ATTEMPTS,
  ...IDENTITY_ATTEMPTS,
  ...NETWORK_ATTEMPTS,
  ...SUPERVISOR_ATTEMPTS,
  // Last: they take what the others need.
  ...RESOURCE_ATTEMPTS,
]

/** Fewer working controls than this, and the corpus proves too little. */
export const PROVEN_MIN = 80
