/**
 * Named sets of hosts for `network.presets`. Package registries are configured per machine (mirrors,
 * company registries), so their presets name where the hosts come from and never the hosts
 * themselves; nothing is reachable through them before those are resolved.
 */

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
  npm: { kind: 'configured', description: 'The npm registry this machine is configured for' },
  pypi: {
    kind: 'configured',
    description: 'The Python package index this machine is configured for',
  },
  go: { kind: 'configured', description: 'The Go module proxy this machine is configured for' },
  cargo: { kind: 'configured', description: 'The Cargo registry this machine is configured for' },
  maven: { kind: 'configured', description: 'The Maven repository this machine is configured for' },
}
