import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Whether `dist` is there and no source is newer, or there are no sources at all, as in an installed
 * package. A file that was removed shows in the time of its folder.
 * @param {string} root
 */
export function isBuilt(root) {
  const built = changedAt(join(root, 'dist/cli/main.js'))
  if (built === undefined) return false
  const source = join(root, 'src')
  if (changedAt(source) === undefined) return true
  const folders = readdirSync(source, { recursive: true, withFileTypes: true })
  const files = folders.map(({ parentPath, name }) => join(parentPath, name))
  return [source, join(root, 'package-lock.json'), ...files].every(
    (file) => (changedAt(file) ?? Infinity) < built,
  )
}

/** @param {string} file */
function changedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs
}
