/**
 * A policy file that lies in a repository was written by whoever wrote the repository. Unless a
 * person names it, it may only take away from what the built-in policy gives.
 */
import type { Limits } from '../schema/index.ts'
import { allowedHosts } from './allowed-hosts.ts'
import { isWider } from './modes.ts'
import type { Policy } from './policy.ts'
import { defaultPolicy } from './read-policy.ts'

const LIMITS: readonly (keyof Limits)[] = [
  'cpus',
  'memory',
  'pids',
  'disk',
  'inodes',
  'wall',
  'output',
]

/** What `policy` gives beyond the built-in one, each as a phrase; empty when it only narrows. */
export function widenings(policy: Policy): string[] {
  const usual = defaultPolicy()
  return [
    ...(isWider(policy.sandbox, usual.sandbox) ? [`sandbox: ${policy.sandbox}`] : []),
    ...(policy.network.mode === 'audit' ? ['network.mode: audit'] : []),
    ...allowedHosts(policy).map((host) => `network.allow: ${host}`),
    ...policy.network.presets.map((name) => `network.presets: ${name}`),
    ...policy.secrets.map(({ name }) => `secrets: ${name}`),
    ...(policy.operatorSecrets ?? []).map((name) => `secrets: ${name}`),
    ...LIMITS.filter((name) => policy.limits[name] > usual.limits[name]).map(
      (name) => `limits.${name}: ${policy.limits[name]}`,
    ),
    ...policy.rules
      .filter(({ decision }) => decision === 'allow')
      .map(({ id }) => `rules: ${id} (allow)`),
  ]
}
