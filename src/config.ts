/** The only reader of `process.env`: everything else gets the frozen `Config`. */
import { homedir } from 'node:os'

export interface Config {
  /** Where the engine may be named: the variables of the engine's own clients. */
  engine: Readonly<Record<string, string | undefined>>
  /** State directory of every command; the repository's `.openexec` when undefined. */
  stateDir: string | undefined
  /** Script of the `scripted` model; `--model-script` wins. */
  modelScript: string | undefined
  /** Where programs such as git are looked for. */
  path: string
  /** Colour and live progress are for people at a terminal. */
  colour: boolean
  ci: boolean
}

export function readConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const home = env['HOME'] ?? homedir()
  const config: Config = {
    engine: Object.freeze({
      DOCKER_HOST: env['DOCKER_HOST'],
      DOCKER_CONTEXT: env['DOCKER_CONTEXT'],
      DOCKER_CONFIG: env['DOCKER_CONFIG'],
      DOCKER_CERT_PATH: env['DOCKER_CERT_PATH'],
      DOCKER_TLS_VERIFY: env['DOCKER_TLS_VERIFY'],
      XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'],
      HOME: home,
    }),
    stateDir: env['OPENEXEC_STATE'],
    modelScript: env['OPENEXEC_MODEL_SCRIPT'],
    path: env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    colour: env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb',
    ci: env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false',
  }
  return Object.freeze(config)
}
