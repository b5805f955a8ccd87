/** What a repository's own files say about how it is linted and tested. First match wins. */
import type { ReadBaseFile } from './project-plan.ts'

interface Found {
  argv: readonly string[]
  because: string
}

export interface Detected {
  lint: Found | undefined
  test: Found | undefined
  image: 'base' | 'node' | 'python'
}

type Detector = (read: ReadBaseFile) => Promise<Partial<Detected>>

const DETECTORS: readonly Detector[] = [
  fromPackageJson,
  fromPyproject,
  fromGoMod,
  fromCargo,
  fromMakefile,
]

/** Never throws on odd content: what cannot be read is not there. */
export async function detectCommands(read: ReadBaseFile): Promise<Detected> {
  let detected: Partial<Detected> = {}
  for (const detector of DETECTORS) detected = { ...(await detector(read)), ...defined(detected) }
  return { lint: detected.lint, test: detected.test, image: detected.image ?? 'base' }
}

function defined(partial: Partial<Detected>): Partial<Detected> {
  return Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined))
}

/** npm writes this when a package has no tests; it fails by design. */
const NPM_PLACEHOLDER = /no test specified/

async function fromPackageJson(read: ReadBaseFile): Promise<Partial<Detected>> {
  const text = await read('package.json')
  if (text === undefined) return {}
  const scripts = scriptsOf(text)
  const script = (name: string): Found | undefined => {
    const body = scripts.get(name)
    if (body === undefined || NPM_PLACEHOLDER.test(body)) return undefined
    return {
      argv: name === 'test' ? ['npm', 'test'] : ['npm', 'run', name],
      because: `package.json scripts.${name}`,
    }
  }
  return { lint: script('lint'), test: script('test'), image: 'node' }
}

function scriptsOf(text: string): Map<string, string> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (parsed === null || typeof parsed !== 'object' || !('scripts' in parsed)) return new Map()
    const { scripts } = parsed
    if (scripts === null || typeof scripts !== 'object') return new Map()
    return new Map(
      Object.entries(scripts).flatMap(([name, body]) =>
        typeof body === 'string' ? [[name, body] as const] : [],
      ),
    )
  } catch {
    return new Map()
  }
}

async function fromPyproject(read: ReadBaseFile): Promise<Partial<Detected>> {
  const [pyproject, setup, pytest] = [
    await read('pyproject.toml'),
    (await read('setup.py')) ?? (await read('setup.cfg')) ?? (await read('requirements.txt')),
    (await read('pytest.ini')) ?? (await read('tox.ini')),
  ]
  if (pyproject === undefined && setup === undefined && pytest === undefined) return {}
  const usesPytest = pytest !== undefined || /\bpytest\b/.test(pyproject ?? '')
  const test: Found = usesPytest
    ? { argv: ['python3', '-m', 'pytest', '-q'], because: 'pytest is named in the project files' }
    : { argv: ['python3', '-m', 'unittest', 'discover', '-v'], because: 'a Python project' }
  const lint: Found | undefined = /^\[tool\.ruff/m.test(pyproject ?? '')
    ? { argv: ['ruff', 'check', '.'], because: 'pyproject.toml [tool.ruff]' }
    : undefined
  return { lint, test, image: 'python' }
}

async function fromGoMod(read: ReadBaseFile): Promise<Partial<Detected>> {
  if ((await read('go.mod')) === undefined) return {}
  return {
    lint: { argv: ['go', 'vet', './...'], because: 'go.mod' },
    test: { argv: ['go', 'test', './...'], because: 'go.mod' },
  }
}

async function fromCargo(read: ReadBaseFile): Promise<Partial<Detected>> {
  if ((await read('Cargo.toml')) === undefined) return {}
  return {
    lint: { argv: ['cargo', 'clippy', '--offline'], because: 'Cargo.toml' },
    test: { argv: ['cargo', 'test', '--offline'], because: 'Cargo.toml' },
  }
}

async function fromMakefile(read: ReadBaseFile): Promise<Partial<Detected>> {
  const text = (await read('Makefile')) ?? (await read('makefile')) ?? (await read('GNUmakefile'))
  if (text === undefined) return {}
  const target = (name: string): Found | undefined =>
    new RegExp(`^${name}\\s*:(?!=)`, 'm').test(text)
      ? { argv: ['make', name], because: `Makefile target ${name}` }
      : undefined
  return { lint: target('lint'), test: target('test') ?? target('check') }
}
