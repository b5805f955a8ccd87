/** The only reader of `process.env`: everything else gets the frozen `Config`. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the clients of package registries are told here. */
interface PresetSources {
  /** JSON: hosts by the name of a preset. */
  file: string | undefined
  home: string
  npm: string | undefined
  pypi: string | undefined
  go: string | undefined
}

export interface Config {
  /** Where the engine may be named: the variables of the engine's own clients. */
  engine: Readonly<Record<string, string | undefined>>
  /** Where certificate authorities of this site may be named. */
  certificates: Readonly<Record<string, string | undefined>>
  /** State directory of every command; the repository's `.openexec` when undefined. */
  stateDir: string | undefined
  /** Server that commands speak to; `--server` wins. In this process when undefined. */
  serverUrl: string | undefined
  /** Token for it; the one `openexec login` kept when undefined. */
  token: string | undefined
  /** Where `openexec login` keeps tokens. */
  configHome: string
  /** Where a server keeps its state unless it is told otherwise. */
  stateHome: string
  /** Script of the `scripted` model; `--model-script` wins. */
  modelScript: string | undefined
  /** What language models may be called with; keys are in no other place. */
  models: {
    model: string | undefined
    anthropicKey: string | undefined
    anthropicUrl: string | undefined
    openaiKey: string | undefined
    openaiUrl: string | undefined
    ownKey: string | undefined
  }
  /** Values that the operator's configuration may name as tokens of git hosts. */
  gitTokens: Readonly<Record<string, string>>
  /** The operator's configuration; it may not exist unless it was named. */
  operatorFile: { path: string; named: boolean }
  /** A server on this machine that is asked where requests belong. */
  router: { url: string | undefined; model: string | undefined }
  /** Where the hosts of network presets are named. */
  presets: PresetSources
  /** The person's editor, with its arguments. */
  editor: string | undefined
  /** Where programs such as git are looked for. */
  path: string
  /** A variable that a policy's secret names; read when a run begins. */
  variable: (name: string) => string | undefined
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
    certificates: Object.freeze({
      SSL_CERT_FILE: env['SSL_CERT_FILE'],
      NODE_EXTRA_CA_CERTS: env['NODE_EXTRA_CA_CERTS'],
    }),
    stateDir: env['OPENEXEC_STATE'],
    serverUrl: env['OPENEXEC_URL'] === '' ? undefined : env['OPENEXEC_URL'],
    token: env['OPENEXEC_TOKEN'] === '' ? undefined : env['OPENEXEC_TOKEN'],
    configHome: env['XDG_CONFIG_HOME'] ?? join(home, '.config'),
    stateHome: env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'),
    modelScript: env['OPENEXEC_MODEL_SCRIPT'],
    models: Object.freeze({
      model: filled(env['OPENEXEC_MODEL']),
      anthropicKey: filled(env['ANTHROPIC_API_KEY']),
      anthropicUrl: filled(env['ANTHROPIC_BASE_URL']),
      openaiKey: filled(env['OPENAI_API_KEY']),
      openaiUrl: filled(env['OPENAI_BASE_URL']),
      ownKey: filled(env['OPENEXEC_MODEL_KEY']),
    }),
    gitTokens: Object.freeze(gitTokensOf(env)),
    operatorFile: Object.freeze({
      path:
        filled(env['OPENEXEC_CONFIG']) ?? join(configHome(env, home), 'openexec', 'config.yaml'),
      named: filled(env['OPENEXEC_CONFIG']) !== undefined,
    }),
    router: Object.freeze({
      url: env['OPENEXEC_ROUTER_URL'],
      model: env['OPENEXEC_ROUTER_MODEL'],
    }),
    presets: Object.freeze({
      file: env['OPENEXEC_PRESETS'],
      home,
      npm: env['npm_config_registry'] ?? env['NPM_CONFIG_REGISTRY'],
      pypi: env['PIP_INDEX_URL'],
      go: env['GOPROXY'],
    }),
    editor: filled(env['VISUAL']) ?? filled(env['EDITOR']),
    path: env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    variable: (name) => env[name],
    colour: env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb',
    ci: env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false',
  }
  return Object.freeze(config)
}

function configHome(env: Readonly<Record<string, string | undefined>>, home: string): string {
  return filled(env['XDG_CONFIG_HOME']) ?? join(home, '.config')
}

/** No other variable can be sent anywhere, whatever a configuration says. */
function gitTokensOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value = '']) =>
      /^OPENEXEC_GIT_[A-Z0-9_]{1,64}$/.test(name) && value !== '' ? [[name, value]] : [],
    ),
  )
}

/** An empty variable is one that was not set. */
function filled(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim()
}

/** Too short ones stand everywhere, and no provider gives any out. */
const KEY_CHARS_MIN = 8

/** Keys of models, the token of a server and those of git hosts are taken out of everything that is recorded. */
export function ownSecrets({ models, token, gitTokens }: Config): {
  name: string
  value: string
}[] {
  const own = [models.anthropicKey, models.openaiKey, models.ownKey, token]
  return [...own, ...Object.values(gitTokens)].flatMap((value) =>
    value === undefined || value.length < KEY_CHARS_MIN ? [] : [{ name: 'own', value }],
  )
}
