import { basename } from 'node:path'
import { type CreateRun, type Document, type RunRequest, YAML_BYTES_MAX } from '../schema/index.ts'
import type { Io } from './io.ts'

/** A request as another machine can read it: documents by content, a repository by its address. */
export async function overWire(io: Io, request: RunRequest): Promise<CreateRun> {
  const {
    repo,
    ref,
    includeDirty,
    blueprint,
    policyFile,
    modelScript,
    timeoutMs,
    acceptDegraded,
    interactive: _interactive,
    ...rest
  } = request
  const document = async (path: string): Promise<Document> => ({
    file: basename(path),
    text: new TextDecoder().decode(await io.readFile(path, YAML_BYTES_MAX)),
  })
  const isUrl = /^(?:https|ssh):\/\//.test(repo)
  const isFile = blueprint !== undefined && /[/\\]/.test(blueprint)
  return {
    ...rest,
    repo: isUrl
      ? { url: repo, ...(ref !== undefined && { ref }) }
      : {
          path: repo,
          ...(ref !== undefined && { ref }),
          ...(includeDirty && { include_dirty: true }),
        },
    ...(blueprint !== undefined && { blueprint: isFile ? await document(blueprint) : blueprint }),
    ...(policyFile !== undefined && { policy: await document(policyFile) }),
    ...(modelScript !== undefined && { model_script: await document(modelScript) }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(acceptDegraded && { accept_degraded: true }),
  }
}
