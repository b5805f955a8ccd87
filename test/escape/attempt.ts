/**
 * One attempt to get out of a sandbox, to see more of the host than it should show, or to take more
 * than it is given: a shell text that says ESCAPED when it has worked. Each is made twice: in a
 * container without our hardening, where it must work (else the attempt proves nothing), and in a
 * sandbox, where it must not. Where the machine has nothing to attack, the control says ABSENT.
 */

export type AttackClass =
  | 'capabilities'
  | 'system calls'
  | 'devices'
  | 'mounts'
  | 'kernel files'
  | 'engine and host'
  | 'identity'
  | 'network'
  | 'supervisor'
  | 'resources'

/** Where an attempt works: what a row's control is. */
export const CONTROLS = {
  plain: 'a container as the engine makes it, as root',
  user: 'the same, as an ordinary user',
  careless:
    'with more capabilities, the devices and the engine’s socket, without seccomp and masks',
  host: 'the same, in the network, process and IPC namespaces of the host',
} as const
export type Control = keyof typeof CONTROLS

/** What stops it inside. */
export const WALLS = {
  capabilities: 'no capability in any set',
  user: 'another user than root',
  no_new_privileges: '`no-new-privileges`',
  seccomp: 'system call list',
  devices: 'only the harmless devices',
  root: 'read-only root',
  masked: 'masked path',
  kernel_ro: 'read-only `/proc/sys` and `/sys`',
  mounts: 'nothing of the host is mounted',
  network: 'no network but loopback',
  namespaces: 'namespaces of its own',
  undumpable: 'the supervisor is undumpable',
  cgroup: 'control group',
  ulimit: 'ulimit',
  tmpfs: 'sized file system in memory',
  log: 'the engine keeps no log',
} as const
type Wall = keyof typeof WALLS

export interface Attempt {
  class: AttackClass
  /** Ends the sentence "A sandbox does not let anybody …". */
  what: string
  script: string
  control: Control
  wall: Wall
}

/** Rows of one kind: what somebody wants → the shell text, whose success is the attempt's. */
export function attempts(
  kind: Pick<Attempt, 'class' | 'control' | 'wall'>,
  table: Readonly<Record<string, string>>,
): Attempt[] {
  return Object.entries(table).map(([what, script]) => ({
    ...kind,
    what,
    script: `{ ${script}; } && echo ESCAPED`,
  }))
}

/** Rows made by the kit, which says by itself how it went. */
export function kitAttempts(
  kind: Pick<Attempt, 'class' | 'control' | 'wall'>,
  table: Readonly<Record<string, string>>,
): Attempt[] {
  return Object.entries(table).map(([what, words]) => ({
    ...kind,
    what,
    script: `/workspace/kit ${words}`,
  }))
}

/** Files opened for writing, and nothing written. What is not there is not made. */
export function writes(
  kind: Pick<Attempt, 'class' | 'control' | 'wall'>,
  paths: readonly string[],
): Attempt[] {
  return paths.map((path) => ({
    ...kind,
    what: `write to ${path}`,
    script: `{ test -e ${path} || ! echo ABSENT; } && (: >> ${path}) 2>/dev/null && echo ESCAPED`,
  }))
}

/** Files of which at least one byte can be read. */
export function reads(
  kind: Pick<Attempt, 'class' | 'control' | 'wall'>,
  paths: readonly string[],
): Attempt[] {
  return paths.map((path) => ({
    ...kind,
    what: `read ${path}`,
    script: `test -e ${path} || echo ABSENT; test "$(head -c 1 ${path} 2>/dev/null | wc -c)" = 1 && echo ESCAPED`,
  }))
}
