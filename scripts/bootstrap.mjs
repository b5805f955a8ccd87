/**
 * The first thing every npm script runs. It makes sure of a good Node and of the locked packages,
 * then hands over to a task. It runs on any Node since 16 and needs no package, because on a fresh
 * machine it is what brings both. It changes nothing outside the project's folder.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureNode } from './bootstrap/node.mjs'
import { ensurePackages } from './bootstrap/packages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const EXIT_USAGE = 2
const EXIT_INFRASTRUCTURE = 125

await main(process.argv.slice(2)).catch((error) => {
  console.error(`openexec: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = EXIT_INFRASTRUCTURE
})

/** @param {string[]} argv */
async function main([task, ...args]) {
  const script = task === undefined ? undefined : taskScript(task)
  if (script === undefined || !existsSync(script)) {
    console.error(`openexec: Cannot start task "${task ?? ''}": scripts/tasks has no such task`)
    process.exitCode = EXIT_USAGE
    return
  }
  const node = await ensureNode(root)
  await ensurePackages(root)
  handOver(node, [script, ...args], task === 'openexec')
}

/** @param {string} task */
function taskScript(task) {
  if (task === 'openexec') return join(root, 'bin/openexec.js')
  return /^[a-z][a-z-]*$/.test(task) ? join(root, `scripts/tasks/${task}.ts`) : undefined
}

/**
 * Becomes the task as far as a parent process can: same terminal, same signals, same exit code.
 * @param {string} node
 * @param {string[]} argv
 * @param {boolean} fromCaller Whether the task works in the folder the user called npm from.
 */
function handOver(node, argv, fromCaller) {
  const path = [dirname(node), join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter)
  const child = spawn(node, argv, {
    cwd: fromCaller ? (process.env['INIT_CWD'] ?? process.cwd()) : root,
    env: { ...process.env, PATH: path },
    stdio: 'inherit',
  })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])) {
    // A terminal delivers Ctrl-C to the child as well; a second copy would mean "force" to it.
    const terminalDelivers = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    process.on(signal, () => terminalDelivers || child.kill(signal))
  }
  child.on('error', (error) => {
    console.error(`openexec: Cannot start "${node}": ${error.message}`)
    process.exit(EXIT_INFRASTRUCTURE)
  })
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? (code ?? EXIT_INFRASTRUCTURE) : 128 + constants.signals[signal])
  })
}
