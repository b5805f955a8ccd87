/**
 * Named sets of hosts for `network.presets`, as data. Package registries are configured per machine
 * (mirrors, company registries), so their presets name where the hosts come from and never the hosts
 * themselves; they become hosts of `network.allow` before a run is frozen.
 */
import { OpenExecError } from '../schema/index.ts'
import { parseHostPattern } from './host-pattern.ts'
import type { Policy } from './policy.ts'

export type Preset =
  | { kind: 'hosts'; description: string; hosts: readonly string[] }
  | { kind: 'configured'; description: string }

export const PRESETS: Readonly<Record<string, Preset>> = {
  github: {
    kind: 'hosts',
    description: 'Clone, download releases and call the API of GitHub',
    hosts: [
      'github.com',
      'api.github.com',
      'codeload.github.com',
      'objects.githubusercontent.com',
      'raw.githubusercontent.com',
    ],
  },
  gitlab: {
    kind: 'hosts',
    description: 'Clone from and call the API of GitLab',
    hosts: ['gitlab.com'],
  },
  npm: configured('The npm registry'),
  pypi: configured('The Python package index'),
  debian: configured('The Debian mirror'),
  go: configured('The Go module proxy'),
  crates: configured('The Cargo registry'),
  maven: configured('The Maven repository'),
}

/** Hosts by the name of a preset, as a machine is configured. */
export type PresetHosts = Readonly<Record<string, readonly string[]>>

/**
 * The policy with its presets turned into hosts of `network.allow`. Throws `config_invalid` for a
 * preset whose hosts the machine does not name.
 */
export function expandPresets(policy: Policy, hosts: PresetHosts): Policy {
  const { network } = policy
  if (network.presets.length === 0) return policy
  const named = network.presets.flatMap((name) => {
    const texts = (hosts[name] ?? []).flatMap((text) => {
      const parsed = parseHostPattern(text)
      return parsed.ok ? [parsed.pattern.text] : []
    })
    if (texts.length > 0) return texts
    throw new OpenExecError(
      'config_invalid',
      `Cannot use network preset "${name}": this machine names no host for it`,
      {
        hint: `Write the host into network.allow, or name it in the file OPENEXEC_PRESETS points to: {"${name}": ["registry.example.org"]}`,
      },
    )
  })
  const allow = [...new Set([...network.allow, ...named])].sort()
  return { ...policy, network: { ...network, allow, presets: [] } }
}

function configured(what: string): Preset {
  return { kind: 'configured', description: `${what} this machine is configured for` }
}
