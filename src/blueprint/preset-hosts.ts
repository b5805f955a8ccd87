/**
 * Which hosts the package registries of this machine are: those of the operator's file, else those
 * that the registries' own clients are configured with here. Nothing of a repository is read.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { PresetHosts } from '../policy/index.ts'
import { OpenExecError } from '../schema/index.ts'

export interface PresetSources {
  /** JSON: hosts by the name of a preset. */
  file: string | undefined
  home: string
  npm: string | undefined
  pypi: string | undefined
  go: string | undefined
}

const PresetFile = z.record(z.string(), z.array(z.string()).min(1).max(64))
const TEXT_MAX = 1_000_000

/** Throws `config_invalid` when the operator's file cannot be used. */
export function presetHosts(sources: PresetSources): PresetHosts {
  const { home, npm, pypi, go, file } = sources
  const npmrc = [join(home, '.npmrc'), '/etc/npmrc', '/usr/local/etc/npmrc']
  const pip = [join(home, '.config/pip/pip.conf'), join(home, '.pip/pip.conf'), '/etc/pip.conf']
  const apt = ['/etc/apt/sources.list', ...listed('/etc/apt/sources.list.d')]
  const found = {
    npm: hostsIn([npm ?? '', ...matches(npmrc, /^\s*(?:@[^:]+:)?registry\s*=\s*(\S+)/gm)]),
    pypi: hostsIn([pypi ?? '', ...matches(pip, /^\s*(?:extra-)?index-url\s*=\s*(\S+)/gm)]),
    go: hostsIn((go ?? '').split(/[,|]/)),
    crates: hostsIn(
      matches([join(home, '.cargo/config.toml')], /"(?:sparse\+)?(https?:\/\/[^"]+)"/g),
    ),
    debian: hostsIn(matches(apt, /^(?:deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(\S+)/gm)),
  }
  return { ...found, ...(file === undefined ? {} : readFile(file)) }
}

function readFile(file: string): PresetHosts {
  try {
    return PresetFile.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new OpenExecError('config_invalid', `Cannot read the presets in "${file}"`, {
      hint: 'OPENEXEC_PRESETS names a JSON file: {"npm": ["registry.example.org"]}',
      cause,
    })
  }
}

function matches(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) => [...textOf(file).matchAll(pattern)].map(([, url]) => url ?? ''))
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(0, TEXT_MAX)
  } catch {
    return ''
  }
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name))
  } catch {
    return []
  }
}

/** Hosts of http and https URLs; everything else is left out. */
function hostsIn(urls: readonly string[]): string[] {
  const hosts = urls.flatMap((text) => {
    if (!URL.canParse(text)) return []
    const { protocol, host } = new URL(text)
    return protocol === 'https:' || protocol === 'http:' ? [host] : []
  })
  return [...new Set(hosts)].sort()
}
