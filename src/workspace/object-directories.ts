/** Where the objects of a repository lie: its own directory and those it borrows from. */
import fs from 'node:fs'
import path from 'node:path'

const ALTERNATES_MAX = 16

/** The object directory and, by its `info/alternates`, all it borrows from. */
export function objectDirectories(commonDir: string): string[] {
  const found: string[] = []
  const pending = [path.join(commonDir, 'objects')]
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (!fs.existsSync(next)) continue
    const directory = fs.realpathSync(next)
    if (found.includes(directory)) continue
    found.push(directory)
    if (found.length > ALTERNATES_MAX) break
    const alternates = path.join(directory, 'info/alternates')
    if (!fs.existsSync(alternates)) continue
    for (const line of fs.readFileSync(alternates, 'utf8').split('\n')) {
      if (line !== '' && !line.startsWith('#') && !line.startsWith('"')) {
        pending.push(path.resolve(directory, line))
      }
    }
  }
  return found
}
