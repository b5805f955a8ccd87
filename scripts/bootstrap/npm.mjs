/**
 * Runs `npm ci`, one at a time: two commands started together on a fresh clone would otherwise
 * delete each other's `node_modules`.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { holdLock } from './lock.mjs'

/**
 * @param {string} folder
 * @param {{ root: string, isDone: () => boolean, args?: readonly string[] }} options
 *   `isDone` is asked again under the lock.
 */
export async function npmCi(folder, { root, isDone, args = [] }) {
  const state = join(root, '.openexec-dev')
  mkdirSync(state, { recursive: true })
  const release = await holdLock(join(state, 'install.lock'))
  try {
    if (!isDone()) runNpmCi(folder, args)
  } finally {
    release()
  }
}

/**
 * @param {string} folder
 * @param {readonly string[]} more
 */
function runNpmCi(folder, more) {
  const script = process.env['npm_execpath']
  // Started by npm, the very npm that works on this machine is known; else the one on PATH is it.
  const [command, ...prefix] = script?.endsWith('npm-cli.js') ? [process.execPath, script] : ['npm']
  const fixed = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const args = [...prefix, ...fixed, ...more]
  const { error, status } = spawnSync(command, args, { cwd: folder, stdio: ['ignore', 2, 2] })
  if (error !== undefined) {
    throw new Error(
      `Cannot start "npm": ${error.message}. Install Node with npm, then run the command again`,
    )
  }
  if (status !== 0) {
    throw new Error(
      `Cannot install the packages of "${folder}": npm ci ended with exit code ${status}. ` +
        'If the network or the registry is not reachable, set HTTPS_PROXY or the npm setting ' +
        '"registry" (and NODE_EXTRA_CA_CERTS for a private certificate authority), then run the ' +
        'command again',
    )
  }
}
