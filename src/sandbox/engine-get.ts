import type Docker from 'dockerode'

export interface EngineGetOptions {
  timeoutMs: number
  signal: AbortSignal | undefined
}

/**
 * A GET that ends: the client library's own `version`, `info` and `image.inspect` take no signal,
 * and an engine that accepts but never answers would hold them for ever. The answer is unchecked.
 */
export function engineGet(
  docker: Docker,
  path: string,
  options: EngineGetOptions,
): Promise<unknown> {
  const limit = AbortSignal.timeout(options.timeoutMs)
  const abortSignal =
    options.signal === undefined ? limit : AbortSignal.any([limit, options.signal])
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      { path, method: 'GET', abortSignal, options: {}, statusCodes: { 200: true } },
      (error: unknown, answer: unknown) => {
        if (!error) return resolve(answer)
        const stopped = [options.signal, limit].find((given) => given?.aborted)
        reject(stopped === undefined ? error : stopped.reason)
      },
    )
  })
}
