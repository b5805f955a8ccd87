import { basename } from 'node:path'
import { type CreateRun, type Document, type RunRequest, YAML_BYTES_MAX } from '../schema/index.ts'
import type { Io } from './io.ts'

/** A request as another machine can read it: documents by content, `repo` as that machine knows it. */
export async function overWire(
  io: Io,
  request: RunRequest,
  repo: CreateRun['repo'],
): Promise<CreateRun> {
  const {
    repo: _repo,
    ref: _ref,
    includeDirty: _includeDirty,
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
  const isFile = blueprint !== undefined && /[/\\]/.test(blueprint)
  return {
    ...rest,
    repo,
    ...(blueprint !== undefined && { blueprint: isFile ? await document(blueprint) : blueprint }),
    ...(policyFile !== undefined && { policy: await document(policyFile) }),
    ...(modelScript !== undefined && { model_script: await document(modelScript) }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(acceptDegraded && { accept_degraded: true }),
  }
}
