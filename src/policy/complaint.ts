import { parseGlob } from './glob.ts'
import { parseHostPattern } from './host-pattern.ts'

/** One complaint before it has a line: a path into the file says where it belongs. */
export interface Complaint {
  code: string
  message: string
  path: readonly PropertyKey[]
}

export function checkGlobs(patterns: readonly string[], path: readonly PropertyKey[]): Complaint[] {
  return patterns.flatMap((pattern, i) => {
    const parsed = parseGlob(pattern)
    if (parsed.ok) return []
    const message = `Path pattern "${pattern}" cannot be used: ${parsed.problem}`
    return [{ code: 'bad_glob', message, path: [...path, i] }]
  })
}

export function checkHosts(patterns: readonly string[], path: readonly PropertyKey[]): Complaint[] {
  return patterns.flatMap((pattern, i) => {
    const parsed = parseHostPattern(pattern)
    if (parsed.ok) return []
    const message = `Host pattern "${pattern}" cannot be used: ${parsed.problem}`
    return [{ code: 'bad_host', message, path: [...path, i] }]
  })
}
