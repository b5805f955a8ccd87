#!/usr/bin/env node
/**
 * The command `openexec`. Plain JavaScript that an old Node can parse, so that a Node that is too
 * old gets a sentence and not a stack trace; native packages are loaded only after the check.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { constants, homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isBuilt } from './is-built.js'

const EXIT_INFRASTRUCTURE = 125
const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const floor = engines.node.replace('>=', '')
const script = entry()

if (script === undefined) {
  fail('Cannot find the program: run `npm run build`, or install the package again')
} else if (isAtLeast(process.versions.node, floor)) {
  // Not Node's default place: a folder in the shared /tmp could hold somebody else's code.
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  module.enableCompileCache?.(join(caches, 'openexec', 'compile'))
  // What packages are warned of is not for users; in a file of ours Node would tell it.
  process.noDeprecation = true
  await import(script.href)
} else {
  startWithOwnNode(fileURLToPath(import.meta.url))
}

/** What was built, unless a source is newer; an installed package has nothing else. */
function entry() {
  const root = new URL('../', import.meta.url)
  const url = new URL(isBuilt(fileURLToPath(root)) ? 'dist/cli/main.js' : 'src/cli/main.ts', root)
  return existsSync(url) ? url : undefined
}

/**
 * @param {string} version
 * @param {string} minimum
 */
function isAtLeast(version, minimum) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [minimumMajor = 0, minimumMinor = 0] = minimum.split('.').map(Number)
  return major > minimumMajor || (major === minimumMajor && minor >= minimumMinor)
}

/** @param {string} path */
function startWithOwnNode(path) {
  const platform = `${process.platform}-${process.arch}`
  const node = [`node-${platform}`, `node-bin-${platform}`]
    .map(
      (name) => new URL(`../scripts/node-runtime/node_modules/${name}/bin/node`, import.meta.url),
    )
    .find((url) => existsSync(url))
  if (node === undefined) {
    fail(
      `Cannot run on Node ${process.versions.node}: it needs ${floor} or newer. Install Node 24, ` +
        'or run `npm run setup` in a clone, which brings its own',
    )
    return
  }
  const child = spawn(fileURLToPath(node), [path, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])) {
    // A terminal delivers Ctrl-C to the child as well; a second copy would mean "force" to it.
    const terminalDelivers = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    process.on(signal, () => terminalDelivers || child.kill(signal))
  }
  child.on('error', (error) => fail(`Cannot start "${node.pathname}": ${error.message}`))
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? (code ?? EXIT_INFRASTRUCTURE) : 128 + constants.signals[signal])
  })
}

/** @param {string} message */
function fail(message) {
  console.error(`openexec: ${message}`)
  process.exitCode = EXIT_INFRASTRUCTURE
}
