/**
 * Which environment a command finds. The image's own variables stay, because toolchain images say
 * there where their tools are; those that change how a program is loaded or where it connects to do
 * not; the confinement has the last word, except on PATH.
 */

/** Loader and shell hooks, and the proxies of whoever built the image. */
const NOT_INHERITED =
  /^(?:LD_.*|DYLD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|BASH_ENV|ENV|PROMPT_COMMAND|BASH_FUNC_.*|SHELLOPTS|GIT_.*|DOCKER_.*|OPENEXEC_.*|(?:HTTPS?|ALL|FTP|NO)_PROXY)$/i

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The whole environment of the sandbox, from the image's and the confinement's. */
export function sandboxEnv(
  imageEnv: readonly string[],
  confinementEnv: Readonly<Record<string, string>>,
): Record<string, string> {
  const image = parseEnv(imageEnv)
  const kept = Object.entries(image).filter(([name]) => isInherited(name))
  const path = image['PATH'] || confinementEnv['PATH'] || PATH_DEFAULT
  return { ...Object.fromEntries(kept), ...confinementEnv, PATH: path }
}

/** The same as the engine takes it; a bare name takes an image's variable away. */
export function engineEnv(imageEnv: readonly string[], env: Readonly<Record<string, string>>) {
  const dropped = Object.keys(parseEnv(imageEnv)).filter((name) => !(name in env))
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...dropped].sort()
}

function isInherited(name: string): boolean {
  return NAME.test(name) && !NOT_INHERITED.test(name)
}

function parseEnv(env: readonly string[]): Record<string, string> {
  const pairs = env.map((entry): [string, string] => {
    const equals = entry.indexOf('=')
    return equals === -1 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)]
  })
  return Object.fromEntries(pairs.filter(([name]) => name !== '' && name !== '__proto__'))
}
