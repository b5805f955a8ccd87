/** What the engine says it has set for a container; the engine leaves empty fields out or null. */
import { z } from 'zod'

const Text = z
  .string()
  .nullish()
  .transform((text) => text ?? '')
const Texts = z
  .array(z.string())
  .nullish()
  .transform((texts) => texts ?? [])
const Flag = z
  .boolean()
  .nullish()
  .transform((flag) => flag === true)
const Count = z
  .number()
  .nullish()
  .transform((count) => count ?? 0)
const Things = z
  .array(z.unknown())
  .nullish()
  .transform((things) => things?.length ?? 0)

export const InspectFacts = z.object({
  Id: z.string(),
  Image: Text,
  State: z.object({ Running: Flag, OOMKilled: Flag, ExitCode: Count }),
  Config: z.object({
    User: Text,
    Entrypoint: Texts,
    Healthcheck: z.object({ Test: Texts }).nullish(),
  }),
  HostConfig: z.object({
    NetworkMode: Text,
    Privileged: Flag,
    ReadonlyRootfs: Flag,
    CapAdd: Texts,
    SecurityOpt: Texts,
    IpcMode: Text,
    PidMode: Text,
    UTSMode: Text,
    UsernsMode: Text,
    CgroupnsMode: Text,
    MaskedPaths: Texts,
    ReadonlyPaths: Texts,
    Runtime: Text,
    Memory: Count,
    MemorySwap: Count,
    NanoCpus: Count,
    PidsLimit: Count,
    Devices: Things,
    DeviceRequests: Things,
    DeviceCgroupRules: Things,
    Dns: Texts,
    RestartPolicy: z.object({ Name: Text }).nullish(),
    VolumesFrom: Things,
    LogConfig: z.object({ Type: Text }),
  }),
  Mounts: z
    .array(
      z.object({
        Type: Text,
        Name: Text,
        Source: Text,
        Destination: Text,
        RW: Flag,
      }),
    )
    .nullish()
    .transform((mounts) => mounts ?? []),
})
export type InspectFacts = z.infer<typeof InspectFacts>
