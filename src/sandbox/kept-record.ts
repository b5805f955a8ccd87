/**
 * What is known of a sandbox that outlives the process which made it: one private directory each,
 * with the record (the key of its pipe among it), its workspace, and a lock, because a pipe has
 * one holder at a time. Nothing in here is ever written by a sandbox but the workspace.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { OpenExecError, Receipt, SandboxId } from '../schema/index.ts'
import { tryProcessLock } from '../state/index.ts'

export const KeptRecord = z.object({
  version: z.literal(1),
  id: SandboxId,
  /** Id of the container on the engine. */
  container: z.string(),
  /** Session key of the pipe: a secret. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  image: z.string(),
  /** Epoch `ms` */
  createdAt: z.number(),
  expiresAt: z.number(),
  env: z.record(z.string(), z.string()),
  receipt: Receipt,
})
export type KeptRecord = z.infer<typeof KeptRecord>

const RECORD = 'record.json'
const LOCK = 'lock'
const HOLDER = 'holder'

/** The private directory of one sandbox. */
export function keptDirectory(root: string, id: SandboxId): string {
  return join(root, id)
}

export async function writeRecord(root: string, record: KeptRecord): Promise<void> {
  const path = join(keptDirectory(root, record.id), RECORD)
  await writeFile(path, `${JSON.stringify(record)}\n`, { flag: 'wx', mode: 0o600 })
}

/** Every sandbox with a whole record, oldest first. */
export async function readRecords(root: string): Promise<KeptRecord[]> {
  const names = await readdir(root).catch(() => [])
  const found = await Promise.all(names.map((name) => readRecord(root, name)))
  return found
    .flatMap((one) => (one === undefined ? [] : [one]))
    .toSorted((a, b) => a.createdAt - b.createdAt)
}

async function readRecord(root: string, name: string): Promise<KeptRecord | undefined> {
  const id = SandboxId.safeParse(name)
  if (!id.success) return undefined
  try {
    const text = await readFile(join(keptDirectory(root, id.data), RECORD), 'utf8')
    return KeptRecord.parse(JSON.parse(text))
  } catch {
    // Half made, half removed, or of another version: nothing that could be used.
    return undefined
  }
}

/** By its id or a beginning of it that only it has. Throws `not_found`, `bad_request`. */
export async function findRecord(root: string, prefix: string): Promise<KeptRecord> {
  const wanted = prefix.startsWith('sbx_') ? prefix : `sbx_${prefix}`
  const found = (await readRecords(root)).filter(({ id }) => id.startsWith(wanted))
  const [record] = found
  if (record === undefined)
    throw new OpenExecError('not_found', `Cannot find sandbox "${prefix}"`, {
      hint: 'List them with `openexec sandbox ls`',
    })
  if (found.length === 1) return record
  throw new OpenExecError(
    'bad_request',
    `Cannot tell which sandbox "${prefix}" is: ${found.map(({ id }) => id).join(', ')}`,
    { hint: 'Give more characters of the id' },
  )
}

export async function removeDirectory(root: string, id: SandboxId): Promise<void> {
  await rm(keptDirectory(root, id), { recursive: true, force: true })
}

/** Takes the only right to the pipe; gives what gives it back. Throws `conflict` while it is held. */
export async function lockSandbox(root: string, id: SandboxId): Promise<() => void> {
  const directory = keptDirectory(root, id)
  const unlock = tryProcessLock(join(directory, LOCK))
  if (unlock === undefined) throw await held(directory, id)
  // Only to say who it is.
  await writeFile(join(directory, HOLDER), `${process.pid}\n`, { mode: 0o600 })
  return unlock
}

async function held(directory: string, id: SandboxId): Promise<OpenExecError> {
  const holder = await readFile(join(directory, HOLDER), 'utf8').catch(() => '')
  const pid = /^\d+/.exec(holder)?.[0]
  return new OpenExecError(
    'conflict',
    `Cannot use sandbox "${id}": ${pid === undefined ? 'another process' : `process ${pid}`} is using it, and one process at a time can`,
    { hint: 'Wait for it, or end it' },
  )
}
