/**
 * The packages of `package-lock.json`, exactly. A stamp inside `node_modules` holds the hash of the
 * lock file they came from: `npm ci` deletes it with the folder, so a broken-off install shows.
 */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npmCi } from './npm.mjs'

/** @param {string} root */
export async function ensurePackages(root) {
  const stamp = join(root, 'node_modules/.openexec-lock-hash')
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const isDone = () => readIfThere(stamp)?.trim() === wanted
  if (isDone()) return

  // Installing begins with removing, and what a link leads to is somebody else's.
  const folder = join(root, 'node_modules')
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new Error(
      `Cannot install the packages of package-lock.json: "${folder}" is a link, and what it leads to has others. Remove the link`,
    )

  console.error('openexec: installing the packages of package-lock.json (under a minute)')
  await npmCi(root, { root, isDone })
  writeFileSync(stamp, wanted)
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
