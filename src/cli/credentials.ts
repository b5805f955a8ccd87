/** Tokens that `openexec login` keeps, in a file that only its owner can read. */
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { OpenExecError } from '../schema/index.ts'

const Kept = z.strictObject({
  servers: z.record(z.string(), z.strictObject({ token: z.string() })),
})

/** `http://host:port` of an address. Throws `bad_request`. */
export function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const plain = url?.pathname === '/' && url.search === '' && url.username === ''
  if (url !== undefined && plain && /^https?:$/.test(url.protocol)) return url.origin
  throw new OpenExecError(
    'bad_request',
    `Cannot use server "${text}": expected http(s)://HOST:PORT`,
  )
}

export async function keptToken(config: Config, url: string): Promise<string | undefined> {
  const { servers } = await readKept(config)
  return Object.hasOwn(servers, url) ? servers[url]?.token : undefined
}

/** Replaces the one that was kept for the same server. */
export async function keepToken(config: Config, url: string, token: string): Promise<string> {
  const { servers } = await readKept(config)
  const file = fileOf(config)
  const draft = `${file}.${process.pid}`
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const kept = { servers: { ...servers, [url]: { token } } }
  await writeFile(draft, `${JSON.stringify(kept, undefined, 2)}\n`, { mode: 0o600 })
  await chmod(draft, 0o600)
  await rename(draft, file)
  return file
}

function fileOf({ configHome }: Config): string {
  return join(configHome, 'openexec', 'servers.json')
}

async function readKept(config: Config): Promise<z.infer<typeof Kept>> {
  const file = fileOf(config)
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { servers: {} }
  try {
    return Kept.parse(JSON.parse(text))
  } catch (cause) {
    throw new OpenExecError('config_invalid', `Cannot read "${file}": it is not what login wrote`, {
      hint: 'Remove it and log in again',
      cause,
    })
  }
}
