import { extname } from 'node:path'

const LENGTH_MAX = 80
const EXTENSIONS: Record<string, string> = {
  'application/json': '.json',
  'text/plain': '.txt',
  'text/markdown': '.md',
  'text/x-diff': '.diff',
  'application/xml': '.xml',
}

/**
 * A file name made of an artifact's name: plain characters, no path, never hidden, of bounded length
 * and with the ending that its media type has.
 */
export function safeName(name: string, mediaType: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, '_').replace(/^[._-]+/, '')
  const ending = extname(plain) === '' ? (EXTENSIONS[mediaType] ?? '') : ''
  const stem = plain.slice(0, LENGTH_MAX)
  return `${stem === '' ? 'artifact' : stem}${ending}`
}

/** `report.json`, `report-2.json`, `report-3.json`, … */
export function numberedName(name: string, number: number): string {
  if (number === 1) return name
  const ending = extname(name)
  return `${name.slice(0, name.length - ending.length)}-${number}${ending}`
}
