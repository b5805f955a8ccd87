import { lstatSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { LOCAL_CALLER, type Tokens } from './tokens.ts'

const FILE = 'token'

/**
 * The file that holds the first administrator's token, made with it when there is no token yet: 0600,
 * and never through a link. Throws `state_unusable`.
 */
export function firstTokenFile(root: string, tokens: Tokens): string {
  const file = join(root, FILE)
  const there = lstatSync(file, { throwIfNoEntry: false })
  if (there !== undefined && (!there.isFile() || (there.mode & 0o077) !== 0))
    throw new OpenExecError('state_unusable', `Cannot use "${file}": others can read it`, {
      hint: `Run \`chmod 600 ${file}\`, or remove it and revoke its token`,
    })
  if (there !== undefined || tokens.list(LOCAL_CALLER).length > 0) return file
  const { token } = tokens.create({ name: 'first', scopes: ['admin'] }, LOCAL_CALLER)
  try {
    writeFileSync(file, `${token}\n`, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    throw new OpenExecError('state_unusable', `Cannot write "${file}"`, { cause })
  }
  return file
}
