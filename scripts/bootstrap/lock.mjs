import { readFileSync, rmSync, writeFileSync } from 'node:fs'

const WAIT_MS = 15 * 60_000
const POLL_MS = 200

/**
 * Holds the lock file for this process, waiting while a living process has it. A lock whose owner
 * is dead is taken over.
 * @param {string} file
 * @returns {Promise<() => void>} Releases the lock.
 */
export async function holdLock(file) {
  const deadline = Date.now() + WAIT_MS
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    }
    const owner = ownerOf(file)
    if (owner !== undefined && !isAlive(owner)) rmSync(file, { force: true })
    else await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    if (Date.now() > deadline) {
      throw new Error(`Cannot get the lock "${file}": process ${owner} has held it for 15 minutes`)
    }
  }
}

/** @param {string} file */
function ownerOf(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}
