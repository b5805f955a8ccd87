/**
 * The values of a run's secrets, got when it begins and kept in memory alone. What goes wrong is told
 * by the secret's name and its source; neither a value nor what a command printed is in any error.
 */
import { execFile } from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { type Policy, declaredSecret, type SecretGrant } from '../policy/index.ts'
import {
  canonicalJson,
  OpenExecError,
  type OperatorSecret,
  type SecretBinding,
} from '../schema/index.ts'

/** Where values are on this machine. */
export interface SecretSources {
  /** A variable of this program's environment. */
  variable(name: string): string | undefined
  /** What commands find in theirs. */
  commandEnv: Readonly<Record<string, string>>
  /** `secrets:` of the operator's configuration. Throws `config_invalid`. */
  declared(): readonly OperatorSecret[]
}

export interface SecretValue {
  name: string
  value: string
}

export type SecretReader = Pick<SecretGrant, 'tenant'> & { sources: SecretSources }

type Source = Pick<SecretBinding, 'name' | 'source'> & { from: string }

const COMMAND_MS = 15_000
const COMMAND_BYTES_MAX = 65_536
const VALUE_BYTES_MIN = 8
const VALUE_BYTES_MAX = 8192

/**
 * The values of all secrets of a policy, or of those that are had `without_commands`. Throws
 * `config_invalid` for one that cannot be had, `policy_denied` for one that is not declared any more.
 */
export async function secretValues(
  { secrets }: Pick<Policy, 'secrets'>,
  { sources, ...who }: SecretReader,
  { which, signal }: { which: 'all' | 'without_commands'; signal: AbortSignal },
): Promise<SecretValue[]> {
  const places = secrets.map((secret): Source =>
    secret.from === 'operator'
      ? declaredPlace(secret, { declared: sources.declared(), ...who })
      : secret,
  )
  const wanted = places.filter(({ from }) => which === 'all' || from !== 'command')
  // One after the other: commands may ask the same agent or keyring.
  const values: SecretValue[] = []
  for (const place of wanted)
    values.push({ name: place.name, value: checked(place, await read(place, sources, signal)) })
  return values
}

/** The operator's source, for a binding that still is what the run was submitted with. */
function declaredPlace(
  { name, hosts, as, plain_http: plain }: SecretBinding,
  grant: Omit<SecretGrant, 'declaredOnly'>,
): Source {
  const now = declaredSecret(name, grant)
  const same =
    canonicalJson([hosts, as, plain ?? false]) ===
    canonicalJson([now.hosts, now.as, now.plain_http ?? false])
  if (same) return now
  throw new OpenExecError(
    'policy_denied',
    `Cannot use secret "${name}": the operator binds it otherwise than when the run was submitted`,
    { hint: 'Start a new run' },
  )
}

async function read(place: Source, sources: SecretSources, signal: AbortSignal): Promise<string> {
  const { name, from, source } = place
  if (from === 'file') return readSecretFile(name, String(source))
  if (from === 'command') {
    const [program = '', ...words] = Array.isArray(source) ? source : []
    return await runSecretCommand(name, [program, ...words], { env: sources.commandEnv, signal })
  }
  const variable = typeof source === 'string' ? source : name
  const value = sources.variable(variable)
  if (value !== undefined && value !== '') return value
  throw unusable(name, `the variable ${variable} is not set`, `Set ${variable} where OpenExec runs`)
}

/** Only its owner may read it, and the owner is who runs this, or root. */
function readSecretFile(name: string, file: string): string {
  let handle: number | undefined
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    const stat = fstatSync(handle)
    const { mode, size, uid } = stat
    if (!stat.isFile()) throw unusable(name, `"${file}" is no regular file`, 'Name the file itself')
    if ((mode & 0o077) !== 0)
      throw unusable(
        name,
        `"${file}" is open to others (mode 0${(mode & 0o777).toString(8)})`,
        `Close it: chmod 600 ${file}`,
      )
    if (uid !== 0 && uid !== process.getuid?.())
      throw unusable(name, `"${file}" belongs to another user`, 'Use a file of your own')
    if (size > VALUE_BYTES_MAX + 2)
      throw unusable(name, `"${file}" has ${size} bytes`, `At most ${VALUE_BYTES_MAX} are read`)
    return readFileSync(handle, 'utf8')
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    throw unusable(name, `"${file}" cannot be read (${code})`, 'Name a file that can be read')
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

/** argv as it is, no shell; standard output is the value, standard error is nobody's. */
async function runSecretCommand(
  name: string,
  [program, ...words]: [string, ...string[]],
  { env, signal }: { env: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<string> {
  const limits = {
    timeout: COMMAND_MS,
    killSignal: 'SIGKILL',
    maxBuffer: COMMAND_BYTES_MAX,
  } as const
  return await new Promise((resolve, reject) => {
    const child = execFile(
      program,
      words,
      { ...limits, env, cwd: '/', encoding: 'utf8', shell: false, signal },
      (error, stdout) => {
        if (error === null) return resolve(stdout)
        // Its message and its output are left out: both may hold the value.
        const why = whyFailed(error)
        reject(unusable(name, `its command "${program}" ${why}`, 'Try the command by hand'))
      },
    )
    child.stdin?.end()
  })
}

function whyFailed(error: Error & { code?: unknown; killed?: boolean }): string {
  const { code, killed, name } = error
  if (name === 'AbortError') return 'was cancelled'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'printed too much'
  if (killed === true) return `took longer than ${COMMAND_MS / 1000} s`
  if (typeof code === 'number')
    return code < 0
      ? `cannot be started (${getSystemErrorName(code)})`
      : `ended with exit code ${code}`
  return typeof code === 'string' ? `cannot be started (${code})` : 'was ended by a signal'
}

/** What a header can carry, and what can be recognised again. */
function checked({ name }: Source, text: string): string {
  const value = text.replace(/[\r\n]+$/, '')
  const bytes = Buffer.byteLength(value)
  const hint = 'A secret is one line of plain characters'
  if (bytes < VALUE_BYTES_MIN || bytes > VALUE_BYTES_MAX)
    throw unusable(
      name,
      `it has ${bytes} bytes, expected ${VALUE_BYTES_MIN} to ${VALUE_BYTES_MAX}`,
      hint,
    )
  if (!/^[\x20-\x7e]+$/.test(value))
    throw unusable(name, 'it holds a line break or a character that no header carries', hint)
  return value
}

function unusable(name: string, why: string, hint: string): OpenExecError {
  return new OpenExecError('config_invalid', `Cannot use secret "${name}": ${why}`, { hint })
}
