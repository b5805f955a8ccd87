import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  chooseModel,
  type ChooseOptions,
  keyFor,
  type ModelEnvironment,
  type ModelWish,
} from './choose.ts'
import type { LocalPlace } from './local-servers.ts'
import { readModelSettings } from './operator-config.ts'

const NOTHING: ModelEnvironment = {
  model: undefined,
  anthropicKey: undefined,
  anthropicUrl: undefined,
  openaiKey: undefined,
  openaiUrl: undefined,
  ownKey: undefined,
}
const WISH: ModelWish = { named: undefined, localOnly: false }

function choose(
  environment: Partial<ModelEnvironment> = {},
  rest: Partial<ChooseOptions> & { wish?: Partial<ModelWish> } = {},
) {
  const { wish, ...options } = rest
  return chooseModel(
    { ...WISH, ...wish },
    {
      environment: { ...NOTHING, ...environment },
      settings: undefined,
      places: [],
      fetch,
      signal: new AbortController().signal,
      ...options,
    },
  )
}

const idOf = async (chosen: ReturnType<typeof choose>) => {
  const choice = await chosen
  return choice && `${choice.provider}/${choice.model} by ${choice.chosenBy}`
}

test('chooseModel() goes from what is named to what is there', async () => {
  const keys = { anthropicKey: 'a'.repeat(20), openaiKey: 'o'.repeat(20) }
  const settings = { use: 'ollama/qwen3:8b' }
  const named = { named: 'openai/gpt-5-mini' }
  expect(await idOf(choose(keys, { settings, wish: named }))).toBe(
    'openai-responses/gpt-5-mini by --model',
  )
  expect(await idOf(choose({ ...keys, model: 'openai-chat/gpt-4o' }, { settings }))).toBe(
    'openai-chat/gpt-4o by OPENEXEC_MODEL',
  )
  expect(await idOf(choose(keys, { settings }))).toBe('ollama/qwen3:8b by the configuration')
  expect(await idOf(choose(keys))).toBe('anthropic/claude-sonnet-4-5 by ANTHROPIC_API_KEY')
  expect(await idOf(choose({ openaiKey: keys.openaiKey }))).toBe(
    'openai-responses/gpt-5 by OPENAI_API_KEY',
  )
  expect(await idOf(choose())).toBeUndefined()
})

test('chooseModel() finds a server on this machine, and nothing that is another one', async () => {
  const found = await serving({
    '/tags': '{"models":[{"name":"qwen3:8b"}]}',
    '/web': '<html>',
    '/other': '{"data":[{"id":"x"}]}',
    '/models': '{"object":"list","data":[{"id":"local-model"}]}',
  })
  const place = (provider: LocalPlace['provider'], path: string): LocalPlace => ({
    provider,
    list: `${found.url}${path}`,
    baseUrl: `${found.url}/v1`,
  })
  try {
    const places = [
      place('openai-chat', '/web'),
      place('openai-chat', '/other'),
      place('openai-chat', '/none'),
      place('openai-chat', '/models'),
      place('ollama', '/tags'),
    ]
    const choice = await choose({ ownKey: 'k'.repeat(20) }, { places })
    expect(choice).toMatchObject({ model: 'local-model', local: true, price: { output: 0 } })
    expect(await choose({}, { places: places.slice(0, 3) })).toBeUndefined()
  } finally {
    found.server.close()
  }
})

test('chooseModel() keeps to this machine where it must', async () => {
  const anthropicKey = 'a'.repeat(20)
  const localOnly = { localOnly: true }
  await expect(choose({}, { wish: { ...localOnly, named: 'openai/gpt-5' } })).rejects.toMatchObject(
    { code: 'policy_denied' },
  )
  await expect(
    choose({}, { settings: { use: 'openai/gpt-5', local_only: true } }),
  ).rejects.toMatchObject({ code: 'policy_denied' })
  expect(await choose({ anthropicKey }, { wish: localOnly })).toBeUndefined()
  expect(await choose({}, { wish: { ...localOnly, named: 'ollama/x' } })).toMatchObject({
    local: true,
  })
})

test('chooseModel() refuses what nobody can price, and takes the price it is given', async () => {
  await expect(choose({}, { wish: { named: 'anthropic/claude-next' } })).rejects.toMatchObject({
    code: 'config_invalid',
    hint: expect.stringContaining('price'),
  })
  const settings = {
    use: 'anthropic/claude-next',
    price: { input: 3, output: 15, cache_read: 0.3 },
  }
  expect(await choose({}, { settings })).toMatchObject({
    price: {
      inputUncached: 3_000_000,
      cacheRead: 300_000,
      cacheWrite5m: 3_000_000,
      output: 15_000_000,
    },
  })
})

test.each([
  ['nothing', /expected provider\/model/],
  ['mistral/large', /expected provider\/model/],
  ['openai/', /expected provider\/model/],
  ['openai/a b', /expected provider\/model/],
])('chooseModel() refuses the name "%s"', async (named, message) => {
  await expect(choose({}, { wish: { named } })).rejects.toThrow(message)
})

test.each(['ftp://x/', 'http://u:p@127.0.0.1/', 'https://x/?q', 'no url'])(
  'chooseModel() refuses the address "%s"',
  async (base_url) => {
    await expect(
      choose({}, { settings: { use: 'openai-chat/x', base_url } }),
    ).rejects.toMatchObject({ code: 'config_invalid' })
  },
)

test('chooseModel() sends no key without encryption, nor one to where it does not belong', async () => {
  const settings = {
    use: 'openai-chat/x',
    base_url: 'http://example.org/v1',
    price: { input: 1, output: 1 },
  }
  await expect(choose({ ownKey: 'k'.repeat(20) }, { settings })).rejects.toThrow(
    /without encryption/,
  )
  const openaiKey = 'o'.repeat(20)
  const choice = await choose({ openaiKey }, { settings })
  expect(choice && keyFor(choice, { ...NOTHING, openaiKey })).toBeUndefined()
  const lookalike = { ...settings, base_url: 'https://127.0.0.1.example.org/v1' }
  expect(await choose({}, { settings: lookalike })).toMatchObject({ local: false })
})

test('readModelSettings() reads the file that is named, and says where it is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'openexec-config-'))
  const path = join(folder, 'config.yaml')
  try {
    expect(readModelSettings({ path, named: false })).toBeUndefined()
    expect(() => readModelSettings({ path, named: true })).toThrow(/Cannot read configuration/)
    writeFileSync(path, 'model: openai/gpt-5\n')
    expect(readModelSettings({ path, named: true })).toEqual({ use: 'openai/gpt-5' })
    writeFileSync(path, 'model:\n  use: openai/gpt-5\n  api_key: sk-1\n')
    expect(() => readModelSettings({ path, named: true })).toThrow(/api_key/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

async function serving(answers: Record<string, string>): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const text = answers[request.url ?? '']
    response.writeHead(text === undefined ? 404 : 200).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}` }
}
