/**
 * `dist`: the program as few files instead of a thousand, because finding, reading and linking that
 * many costs every command most of a second. `bin/openexec.js` takes it where no source is newer,
 * so that nobody who edits a source has to think of it.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  utimesSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import { isBuilt } from '../../bin/is-built.js'
import { projectRoot } from './project-root.ts'

const DIST = join(projectRoot, 'dist')
/** Found beside the program at run time: compiled for a platform, or read as files. */
export const EXTERNAL_PACKAGES: readonly string[] = [
  'better-sqlite3',
  'cpu-features',
  'web-tree-sitter',
  '@vscode/tree-sitter-wasm',
]
const EXTERNAL = [...EXTERNAL_PACKAGES, /^@vscode\/tree-sitter-wasm\//]

/** Does nothing where `dist` is newer than every source. */
export async function ensureProgram(say: (line: string) => void): Promise<void> {
  if (isBuilt(projectRoot)) return
  say('building the program')
  await buildProgram()
}

/** Puts a whole new `dist` in the place of the old one. */
export async function buildProgram(): Promise<void> {
  const started = new Date()
  const parent = join(projectRoot, '.openexec-dev')
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, 'dist-'))
  try {
    const bundle = await rolldown({
      input: { 'cli/main': 'src/cli/main.ts', 'client/index': 'src/client/index.ts' },
      cwd: projectRoot,
      platform: 'node',
      external: EXTERNAL,
      transform: { define: { __dirname: 'import.meta.dirname' } },
      plugins: [keepPlaces, linkDrizzle, leaveOutSessions],
    })
    await bundle.write({ dir: directory, format: 'esm', chunkFileNames: 'cli/[name]-[hash].js' })
    await bundle.close()
    // Others of this machine run it too.
    chmodSync(directory, 0o755)
    // A source that changed while this ran is newer than what was made of it.
    utimesSync(join(directory, 'cli/main.js'), started, started)
    if (existsSync(DIST)) rmSync(DIST, { recursive: true })
    renameSync(directory, DIST)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A module finds files beside it from where it would lie if nothing were bundled. */
const keepPlaces: Plugin = {
  name: 'keep-places',
  transform(code, id) {
    const place = relative(join(projectRoot, 'src'), id)
    if (place.startsWith('..') || !code.includes('import.meta.url')) return undefined
    return code.replaceAll('import.meta.url', `new URL('../${place}', import.meta.url).href`)
  },
}

/** What is quicker loaded as CommonJS from many files is quicker still as one file. */
const linkDrizzle: Plugin = {
  name: 'link-drizzle',
  transform(code, id) {
    if (id !== join(projectRoot, 'src/state/drizzle.ts')) return undefined
    return code.replaceAll(
      /export const (\{[^}]*\}) = load\(('[^']+')\) as typeof \w+/g,
      'export $1 from $2',
    )
  },
}

/** The engine's client brings a remote procedure library for a kind of build that is never asked for. */
const leaveOutSessions: Plugin = {
  name: 'leave-out-sessions',
  resolveId: (source) => (source.startsWith('@grpc/') ? '\0nothing' : undefined),
  load: (id) => (id === '\0nothing' ? 'export default {}' : undefined),
}
