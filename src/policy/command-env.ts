import type { SandboxMode } from '../schema/index.ts'
import { isWider } from './modes.ts'

/** Nobody's name, so that no commit made by a machine looks like a person's. */
const COMMITTER = { name: 'OpenExec', email: 'openexec@localhost.invalid' }

/** What every command finds in its environment. Never a secret: any process in the sandbox reads it. */
export function commandEnv(mode: SandboxMode): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/home/agent',
    USER: 'agent',
    LOGNAME: 'agent',
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    TMPDIR: '/tmp',
    CI: 'true',
    ...git(mode),
    ...WITHOUT_NETWORK,
    // Else each run leaves byte code in the tree, and the tree is the result.
    PYTHONDONTWRITEBYTECODE: '1',
  }
}

/** Package managers fail at once and say so, instead of trying again for minutes. */
const WITHOUT_NETWORK = {
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_fetch_retries: '0',
  npm_config_update_notifier: 'false',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_RETRIES: '0',
  GOTOOLCHAIN: 'local',
  CARGO_NET_RETRY: '0',
}

function git(mode: SandboxMode): Record<string, string> {
  const always = {
    // The tree may belong to another user id than the one the command runs as.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '/workspace',
    GIT_TERMINAL_PROMPT: '0',
  }
  if (!isWider(mode, 'workspace_write')) return always
  return {
    ...always,
    GIT_AUTHOR_NAME: COMMITTER.name,
    GIT_AUTHOR_EMAIL: COMMITTER.email,
    GIT_COMMITTER_NAME: COMMITTER.name,
    GIT_COMMITTER_EMAIL: COMMITTER.email,
  }
}
