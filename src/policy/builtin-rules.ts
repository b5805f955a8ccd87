/**
 * What every policy begins with, as data. A capability that no row allows is blocked, so a rule of a
 * policy file may allow it; a row that blocks holds against any rule.
 */
import type { Capability, DecisionKind, Level, SandboxMode } from '../schema/index.ts'
import { MODES, modesFrom } from './modes.ts'

/** What must hold beside capability and mode; `rule-conditions.ts` knows how each is decided. */
export type Condition =
  | 'always'
  | 'asked_by_run_command'
  | 'host_listed'
  | 'host_not_listed'
  | 'host_denied'
  | 'network_audited'
  | 'path_outside'
  | 'secret_bound'
  | 'path_git_metadata'
  | 'path_deny_read'
  | 'path_deny_write'
  | 'path_read_only'
  | 'path_not_writable'

export interface BuiltinRule {
  id: string
  capabilities: readonly Capability[]
  modes: readonly SandboxMode[]
  condition: Condition
  decision: DecisionKind
  level: Level
  reason: string
}

const CONFINED: readonly SandboxMode[] = ['read_only', 'workspace_write', 'repo_write']

export const BUILTIN_RULES: readonly BuiltinRule[] = [
  allow('builtin:read', ['repo_read'], MODES, 'Every mode may read the repository'),
  allow('builtin:process', ['process_exec'], CONFINED, 'The commands of the project may run'),
  allow(
    'builtin:shell',
    ['shell_exec'],
    ['workspace_write', 'repo_write'],
    'Any command may run; the container is the boundary',
  ),
  {
    ...allow(
      'builtin:shell-asked',
      ['shell_exec'],
      ['read_only'],
      'The command was asked for by the caller; the container is the boundary',
    ),
    condition: 'asked_by_run_command',
  },
  allow(
    'builtin:write',
    ['repo_write'],
    modesFrom('workspace_write'),
    'The mode lets files be changed',
  ),
  allow('builtin:commit', ['git_commit'], modesFrom('repo_write'), 'The mode lets commits be made'),
  allow('builtin:model', ['model_call'], MODES, 'Models are called by the runtime'),
  {
    ...allow(
      'builtin:network',
      ['network_access'],
      ['workspace_write', 'repo_write'],
      'The host is in network.allow',
    ),
    condition: 'host_listed',
  },
  {
    ...allow(
      'builtin:secret',
      ['secret_read'],
      MODES,
      'The policy binds the secret to hosts; the gateway attaches it, and no value enters',
    ),
    condition: 'secret_bound',
  },
  {
    ...allow(
      'builtin:network-audit',
      ['network_access'],
      ['workspace_write', 'repo_write'],
      'network.mode is audit: every public host may be reached, and is recorded',
    ),
    condition: 'network_audited',
  },
  {
    id: 'builtin:network-audit-asked',
    capabilities: ['process_exec', 'shell_exec'],
    modes: ['workspace_write', 'repo_write'],
    condition: 'network_audited',
    decision: 'require_approval',
    level: 'critical',
    reason: 'network.mode is audit: the command may reach every public host',
  },
  {
    id: 'builtin:danger',
    capabilities: ['process_exec', 'shell_exec', 'network_access'],
    modes: ['danger_full_access'],
    condition: 'always',
    decision: 'require_approval',
    level: 'critical',
    reason: 'Mode danger_full_access needs an approval for each command and connection',
  },
  block('builtin:no-write', ['repo_write'], ['read_only'], 'Mode read_only changes no file'),
  block(
    'builtin:no-commit',
    ['git_commit'],
    ['read_only', 'workspace_write'],
    'Only modes from repo_write on make commits',
  ),
  block('builtin:no-network', ['network_access'], ['read_only'], 'Mode read_only has no network'),
  {
    ...block(
      'builtin:host-unlisted',
      ['network_access'],
      MODES,
      'The host is not in network.allow',
    ),
    condition: 'host_not_listed',
  },
  {
    ...block('builtin:host-denied', ['network_access'], MODES, 'The host is in network.deny'),
    condition: 'host_denied',
  },
  {
    ...block(
      'builtin:outside',
      ['repo_read', 'repo_write'],
      MODES,
      'The path does not lie in the repository',
    ),
    condition: 'path_outside',
  },
  {
    ...block('builtin:git-metadata', ['repo_write'], MODES, 'Git keeps its own data there'),
    condition: 'path_git_metadata',
  },
  {
    ...block(
      'builtin:deny-read',
      ['repo_read', 'repo_write'],
      MODES,
      'The path is in paths.deny_read',
    ),
    condition: 'path_deny_read',
  },
  {
    ...block('builtin:deny-write', ['repo_write'], MODES, 'The path is in paths.deny_write'),
    condition: 'path_deny_write',
  },
  {
    ...block('builtin:read-only', ['repo_write'], MODES, 'The path is in paths.read_only'),
    condition: 'path_read_only',
  },
  {
    ...block('builtin:write-only', ['repo_write'], MODES, 'The path is not in paths.write_only'),
    condition: 'path_not_writable',
  },
]

function allow(
  id: string,
  capabilities: readonly Capability[],
  modes: readonly SandboxMode[],
  reason: string,
): BuiltinRule {
  return { id, capabilities, modes, condition: 'always', decision: 'allow', level: 'none', reason }
}

function block(
  id: string,
  capabilities: readonly Capability[],
  modes: readonly SandboxMode[],
  reason: string,
): BuiltinRule {
  return { ...allow(id, capabilities, modes, reason), decision: 'block' }
}
