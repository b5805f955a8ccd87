import type { Artifact } from '../schema/index.ts'
import type { Db } from '../state/index.ts'
import type { Artifacts } from './artifacts.ts'
import type { BlobRef } from './blobs.ts'
import type { SpooledOutput } from './spool.ts'
import { type Stream, STREAMS } from './spool-format.ts'

/** The output of a command as stored content; a stream that stayed empty has none. */
type StoredOutput = Record<Stream, BlobRef | undefined>

/** Stores both files of a finished spool; their rows come later, in the step's transaction. */
export async function storeOutput(
  artifacts: Pick<Artifacts, 'put'>,
  output: SpooledOutput,
): Promise<StoredOutput> {
  const [stdout, stderr] = [output.stdout, output.stderr].map(({ bytes, file }) =>
    bytes === 0 ? undefined : { file },
  )
  return {
    stdout: stdout && (await artifacts.put(stdout)),
    stderr: stderr && (await artifacts.put(stderr)),
  }
}

/** Names stored output as artifacts `<name>.stdout` and `<name>.stderr` of type `output`. */
export function recordOutput(
  artifacts: Pick<Artifacts, 'record'>,
  tx: Db,
  {
    stored,
    name,
    ...owner
  }: Pick<Artifact, 'runId' | 'stepId' | 'name'> & { stored: StoredOutput },
): Artifact[] {
  return STREAMS.flatMap((stream) => {
    const blob = stored[stream]
    if (blob === undefined) return []
    const draft = {
      ...owner,
      name: `${name}.${stream}`,
      type: 'output',
      mediaType: 'text/plain',
    } as const
    return [artifacts.record(tx, { ...draft, blob })]
  })
}
