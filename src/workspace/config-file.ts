/**
 * Reads a repository's configuration file where it is as plain as git itself writes it: sections,
 * names and values without quotes, escapes, comments or continued lines. It is read on the way of
 * every run, and a process costs more. Whatever is not that plain is for git to read.
 */
import fs from 'node:fs'

/** Keys in lower case; a key without a value has an empty one. */
export type RepositoryConfig = ReadonlyMap<string, string>

const BYTES_MAX = 256 * 1024
const SECTION = /^\[([A-Za-z0-9-]+)(?: "([^"\\\]]*)")?\]\s*$/
const VARIABLE = /^\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*([^"\\#;\r]*?)\s*)?$/

/** Undefined when the file has to be read by git, or cannot be read at all. */
export function readPlainConfig(file: string): RepositoryConfig | undefined {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (stat?.isFile() !== true || stat.size > BYTES_MAX) return undefined
  try {
    return parsePlainConfig(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Of a name that is given twice, the last counts. */
export function parsePlainConfig(text: string): RepositoryConfig | undefined {
  const config = new Map<string, string>()
  let section: string | undefined
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const header = SECTION.exec(line)
    const variable = VARIABLE.exec(line)
    if (header !== null) {
      const [, name = '', below] = header
      section = below === undefined ? name : `${name}.${below}`
    } else if (variable !== null && section !== undefined) {
      const [, name = '', value = ''] = variable
      config.set(`${section}.${name}`.toLowerCase(), value)
    } else return undefined
  }
  return config
}
