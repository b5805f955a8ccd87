/**
 * The user database of a sandbox: a uid without an entry breaks whoami, ssh and Node's
 * os.userInfo(). Only the entries every system has, and the sandbox's own user.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SlotFiles {
  /** Absolute paths on the host. */
  passwd: string
  group: string
}

export interface SandboxUser {
  uid: number
  gid: number
}

const SANDBOX_USER = 'agent'
const SANDBOX_HOME = '/home/agent'

export function passwdText({ uid, gid }: SandboxUser): string {
  return [
    'root:x:0:0:root:/root:/usr/sbin/nologin',
    ...(uid === 65534 ? [] : ['nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin']),
    `${SANDBOX_USER}:x:${uid}:${gid}:${SANDBOX_USER}:${SANDBOX_HOME}:/bin/sh`,
    '',
  ].join('\n')
}

export function groupText({ gid }: SandboxUser): string {
  return [
    'root:x:0:',
    'tty:x:5:',
    ...(gid === 65534 ? [] : ['nogroup:x:65534:']),
    `${SANDBOX_USER}:x:${gid}:`,
    '',
  ].join('\n')
}

/**
 * Writes both files into the sandbox's own directory, readable by all and writable by nobody else.
 * At once: on its way to the engine, a sandbox waits for nothing else that the process does.
 */
export function writeSlotFiles(directory: string, user: SandboxUser): SlotFiles {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const files = { passwd: join(directory, 'passwd'), group: join(directory, 'group') }
  writeReadable(files.passwd, passwdText(user))
  writeReadable(files.group, groupText(user))
  return files
}

/** Fresh each time: an existing file may be mounted into a container that is still going away. */
function writeReadable(path: string, text: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, text, { flag: 'wx', mode: 0o444 })
  chmodSync(path, 0o444)
}
