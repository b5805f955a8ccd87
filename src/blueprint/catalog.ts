/**
 * Where blueprints come from: the directory that ships with OpenExec, by name, or a file the caller
 * names by path. A repository's own files are never searched: what a run may do is not decided by
 * the content it runs on.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { OpenExecError, YAML_BYTES_MAX } from '../schema/index.ts'
import { suggestion } from './nearest.ts'
import { type CheckedBlueprint, readBlueprint } from './read.ts'
import type { BlueprintRegistry } from './registry.ts'

export interface Catalog {
  /** Directory of the shipped blueprints, one `NAME.yaml` each. */
  shippedDir: string
  /** Paths are relative to it. */
  cwd: string
  registry: BlueprintRegistry
}

/**
 * The blueprint that `reference` means: a path when it holds a `/` or ends in `.yaml` or `.yml`,
 * otherwise the name of a shipped one. Throws `not_found` with what is near, or `blueprint_invalid`.
 */
export function findBlueprint(reference: string, catalog: Catalog): CheckedBlueprint {
  if (isPath(reference)) {
    const text = readText(resolve(catalog.cwd, reference), reference)
    return readBlueprint({ file: reference, text }, catalog.registry)
  }
  const names = shippedNames(catalog)
  if (!names.includes(reference))
    throw new OpenExecError(
      'not_found',
      `Cannot find blueprint ${JSON.stringify(reference.slice(0, 100))}${suggestion(reference, names)}`,
      {
        hint: 'Run `openexec blueprint list` to see the shipped ones, or give a path such as ./my.yaml',
        details: { known: names },
      },
    )
  return readShipped(reference, catalog)
}

/** All shipped blueprints, sorted by name. Throws `blueprint_invalid` when one is broken. */
export function listBlueprints(catalog: Catalog): CheckedBlueprint[] {
  return shippedNames(catalog).map((name) => readShipped(name, catalog))
}

function isPath(reference: string): boolean {
  return /[/\\]|\.ya?ml$/i.test(reference)
}

function shippedNames({ shippedDir }: Catalog): string[] {
  try {
    return readdirSync(shippedDir)
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => file.slice(0, -'.yaml'.length))
      .sort()
  } catch (cause) {
    throw new OpenExecError('internal', `Cannot list blueprints in "${shippedDir}"`, { cause })
  }
}

/** What was made of a text once; there are as many as files are shipped. */
const checked = new WeakMap<BlueprintRegistry, Map<string, CheckedBlueprint>>()

function readShipped(name: string, { shippedDir, registry }: Catalog): CheckedBlueprint {
  const text = readText(join(shippedDir, `${name}.yaml`), name)
  const known = checked.get(registry) ?? new Map<string, CheckedBlueprint>()
  checked.set(registry, known)
  const blueprint = known.get(text) ?? readBlueprint({ file: `${name}.yaml`, text }, registry)
  known.set(text, blueprint)
  return blueprint
}

/** Opened before it is looked at, and never waited for: a pipe or a device is no blueprint. */
function readText(path: string, shown: string): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw unreadable(shown, { cause })
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw refused(shown, 'it is no regular file')
    if (stat.size > YAML_BYTES_MAX)
      throw refused(shown, `it is larger than ${YAML_BYTES_MAX} bytes`)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file))
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw cause instanceof TypeError
      ? refused(shown, 'it is no UTF-8 text', cause)
      : unreadable(shown, { cause })
  } finally {
    closeSync(file)
  }
}

function unreadable(shown: string, { cause }: { cause: unknown }): OpenExecError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
  const missing = code === 'ENOENT' || code === 'ENOTDIR'
  return new OpenExecError(
    missing ? 'not_found' : 'blueprint_invalid',
    `Cannot read blueprint ${JSON.stringify(shown)}: ${missing ? 'there is no such file' : code}`,
    { cause, hint: 'Check the path and its permissions' },
  )
}

function refused(shown: string, why: string, cause?: unknown): OpenExecError {
  return new OpenExecError(
    'blueprint_invalid',
    `Cannot read blueprint ${JSON.stringify(shown)}: ${why}`,
    {
      cause,
    },
  )
}
