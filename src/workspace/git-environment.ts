/**
 * The one environment of every git process on the host. Nothing of the caller's environment passes,
 * no configuration but the named repository's own is read, and what such a configuration could use
 * to start a program is overridden here. Repositories are named, never discovered.
 */

/** Which repository, tree and index a git process works on; all absolute paths. */
export interface GitPlace {
  gitDir: string
  commonDir: string
  workTree: string | undefined
  indexFile: string | undefined
}

/** A path that cannot exist on any host, whoever makes directories there. */
export const NOWHERE = '/dev/null/nowhere'

/** Oldest git whose plumbing and fixes this module relies on. */
export const GIT_VERSION_MIN: readonly [number, number] = [2, 39]

/** Settings that win over the repository's own. */
const OVERRIDES: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.untrackedCache', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  ['core.autocrlf', 'false'],
  ['core.quotePath', 'true'],
  ['core.bigFileThreshold', '16m'],
  ['core.askPass', '/bin/false'],
  ['credential.helper', ''],
  ['safe.bareRepository', 'explicit'],
  ['submodule.recurse', 'false'],
  ['fetch.recurseSubmodules', 'false'],
  ['protocol.allow', 'never'],
  ['transfer.bundleURI', 'false'],
  ['transfer.fsckObjects', 'true'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
]

/** More settings for one call, to be added to its environment; they win over all others. */
export function withSettings(
  settings: readonly (readonly [string, string])[],
): Record<string, string> {
  const environment: Record<string, string> = {
    GIT_CONFIG_COUNT: String(OVERRIDES.length + settings.length),
  }
  for (const [index, [key, value]] of settings.entries()) {
    environment[`GIT_CONFIG_KEY_${OVERRIDES.length + index}`] = key
    environment[`GIT_CONFIG_VALUE_${OVERRIDES.length + index}`] = value
  }
  return environment
}

/** A repository without a work tree or index of its own in play. */
export function barePlace(gitDir: string): GitPlace {
  return { gitDir, commonDir: gitDir, workTree: undefined, indexFile: undefined }
}

/** What a git process sees; `searchPath` is the PATH that finds git itself. */
export function gitEnvironment(searchPath: string, place: GitPlace): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: searchPath,
    HOME: NOWHERE,
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_DIR: place.gitDir,
    GIT_COMMON_DIR: place.commonDir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    // A partial clone would otherwise fetch what is missing through whatever its config names.
    GIT_NO_LAZY_FETCH: '1',
    // A list without any real protocol wins over `protocol.<name>.allow` of the repository.
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_EDITOR: '/bin/false',
    GIT_PAGER: 'cat',
    GIT_CONFIG_COUNT: String(OVERRIDES.length),
  }
  for (const [index, [key, value]] of OVERRIDES.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key
    environment[`GIT_CONFIG_VALUE_${index}`] = value
  }
  if (place.workTree !== undefined) environment['GIT_WORK_TREE'] = place.workTree
  if (place.indexFile !== undefined) environment['GIT_INDEX_FILE'] = place.indexFile
  return environment
}
