import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { ContextPack } from '../schema/index.ts'
import { type ContextPacks, createContextPacks, type PackRequest } from './build-pack.ts'
import { renderContextPack } from './render-pack.ts'

const BASE_TREE = 'a'.repeat(40)

function request(
  query: string,
  files: Record<string, string | Uint8Array>,
  overrides: Partial<PackRequest> = {},
): PackRequest & { reads: string[] } {
  const blobs = new Map<string, Uint8Array>()
  const listed = Object.entries(files).map(([path, content]) => {
    const bytes = new Uint8Array(Buffer.from(content))
    const oid = createHash('sha1').update(bytes).digest('hex')
    blobs.set(oid, bytes)
    return { path, oid, size: bytes.length }
  })
  const reads: string[] = []
  return {
    query,
    baseTree: BASE_TREE,
    files: listed,
    async readBlob(oid) {
      reads.push(oid)
      const bytes = blobs.get(oid)
      if (bytes === undefined) throw new Error(`No blob ${oid}`)
      return bytes
    },
    history: undefined,
    extras: [],
    budgetTokens: 4000,
    reads,
    ...overrides,
  }
}

const REPOSITORY = {
  'src/sum.js': 'export function sumList(list) {\n  let total = 1\n  return total\n}\n',
  'src/average.js':
    "import { sumList } from './sum.js'\nexport const average = (l) => sumList(l) / l.length\n",
  'src/http/server.js': 'export function startServer(port) {\n  return port\n}\n',
  'docs/guide.md': '# Guide\nHow to start the server\n',
  'AGENTS.md': 'Run the tests before you finish\n',
  'src/http/AGENTS.md': 'Only for http\n',
}

async function buildContextPack(packed: PackRequest, packs?: ContextPacks): Promise<ContextPack> {
  if (packs !== undefined) return await packs.build(packed)
  using own = createContextPacks({ indexFile: ':memory:' })
  return await own.build(packed)
}

const paths = (pack: ContextPack) => pack.items.map(({ path }) => path)

test('buildContextPack() ranks the file that defines what the task names first', async () => {
  const pack = await buildContextPack(request('sumList() is off by one', REPOSITORY))
  expect(ContextPack.parse(pack)).toEqual(pack)
  expect(paths(pack).slice(0, 3)).toEqual(['AGENTS.md', 'src/sum.js', 'src/average.js'])
  expect(pack.items[1]).toMatchObject({ kind: 'file', start: 1, end: 4 })
  expect(pack.items[1]?.reasons).toContain('defines sumList')
  expect(pack.items[2]?.reasons).toContain('uses sumList')
  expect(renderContextPack(pack)).toContain('--- src/sum.js, lines 1-4 (file; defines sumList')
})

test('buildContextPack() finds words in identifiers of any style', async () => {
  const pack = await buildContextPack(request('Starting of servers fails', REPOSITORY))
  expect(paths(pack)[0]).toBe('AGENTS.md')
  expect(paths(pack)).toContain('src/http/server.js')
  expect(paths(pack)).toContain('src/http/AGENTS.md')
})

test('buildContextPack() puts the places of a stack trace before anything else', async () => {
  const long = Array.from({ length: 600 }, (_, i) => `line ${i + 1}`).join('\n')
  const files = { ...REPOSITORY, 'lib/deep/trace.js': long }
  const query = 'sumList sumList sumList\n    at run (/home/ci/project/lib/deep/trace.js:300:5)'
  const pack = await buildContextPack(request(query, files))
  const first = pack.items.find(({ kind }) => kind !== 'instructions')
  expect(first).toMatchObject({ path: 'lib/deep/trace.js', kind: 'slice', start: 280, end: 320 })
  expect(first?.reasons).toContain('the task names lib/deep/trace.js:300')
})

test('buildContextPack() gives the same pack in whatever order the files come', async () => {
  const forward = await buildContextPack(request('sum server guide', REPOSITORY))
  const reversed = Object.fromEntries(Object.entries(REPOSITORY).reverse())
  const backward = await buildContextPack(request('sum server guide', reversed))
  expect(backward).toEqual(forward)
  const changed = { ...REPOSITORY, 'src/sum.js': `${REPOSITORY['src/sum.js']}// x\n` }
  const other = await buildContextPack(request('sum server guide', changed))
  expect(other.pack_hash).not.toBe(forward.pack_hash)
})

test('buildContextPack() stays within its budget and says what it left out', async () => {
  const pack = await buildContextPack(request('sum server', REPOSITORY, { budgetTokens: 40 }))
  const tokens = pack.items.reduce((sum, item) => sum + item.tokens, 0)
  expect(tokens).toBeLessThanOrEqual(40)
  expect(pack.omitted.map(({ reason }) => reason)).toContain('over the budget')
})

test('buildContextPack() replaces secrets and leaves secret files out', async () => {
  const key = `AKIA${'ABCDEFGH12345678'}`
  const files = {
    'src/config.js': `const sumKey = '${key}'\nconst password = "hunter2hunter2"\n`,
    '.env': 'SUM_TOKEN=abcdefgh12345678\n',
    'certs/sum.pem': 'sum\n',
    'keys.txt': `sum\n-----BEGIN RSA PRIVATE KEY-----\nAAAA\nBBBB\n-----END RSA PRIVATE KEY-----\nsum\n`,
  }
  const pack = await buildContextPack(request('sum key password', files))
  const text = JSON.stringify(pack.items)
  for (const secret of [key, 'hunter2hunter2', 'AAAA', 'abcdefgh12345678'])
    expect(text).not.toContain(secret)
  expect(text).toMatch(/«secret:aws_key:[0-9a-f]{8}»/)
  expect(pack.redactions).toContainEqual({ path: 'src/config.js', line: 1, rule: 'aws_key' })
  expect(pack.redactions).toContainEqual({
    path: 'src/config.js',
    line: 2,
    rule: 'assigned_secret',
  })
  expect(pack.redactions).toContainEqual({ path: 'keys.txt', line: 2, rule: 'private_key' })
  const hidden = pack.omitted.filter(({ reason }) => reason.includes('secrets'))
  expect(hidden.map(({ path }) => path)).toEqual(['.env', 'certs/sum.pem'])
})

test('buildContextPack() passes over binary, huge and empty files', async () => {
  const files = {
    'sum.bin': new Uint8Array([115, 0, 1]),
    'sum.min.js': 'sum;'.repeat(100_000),
    'sum/empty.js': '',
    'sum.js': 'sum\n',
  }
  const pack = await buildContextPack(request('sum in sum.min.js', files))
  expect(paths(pack)).toEqual(['sum.js'])
  expect(pack.omitted).toContainEqual({ path: 'sum.min.js', reason: 'larger than 262144 bytes' })
})

test('buildContextPack() reads a blob it knows only to show it', async () => {
  using packs = createContextPacks({ indexFile: ':memory:' })
  const first = request('sum', REPOSITORY)
  await buildContextPack(first, packs)
  const again = request('sum', REPOSITORY)
  const pack = await buildContextPack(again, packs)
  expect(first.reads.length).toBeGreaterThan(Object.keys(REPOSITORY).length)
  expect(again.reads).toHaveLength(new Set(paths(pack)).size)
})

test('buildContextPack() gives the same pack whatever the index holds already', async () => {
  using packs = createContextPacks({ indexFile: ':memory:' })
  const other = { 'lib/sum.py': 'def sum_list():\n    return sumList\n', ...REPOSITORY }
  await buildContextPack(request('sumList', other), packs)
  const warm = await buildContextPack(request('sumList is off', REPOSITORY), packs)
  expect(warm).toEqual(await buildContextPack(request('sumList is off', REPOSITORY)))
})

test('buildContextPack() shows the end of a log without its secrets, and follows its paths', async () => {
  const log = `${'noise\n'.repeat(4000)}token="abcdefgh12345678"\n  at src/http/server.js:2:3\n`
  const extras = [{ kind: 'log' as const, name: 'test.log', text: log }]
  const pack = await buildContextPack(request('It fails', REPOSITORY, { extras }))
  const item = pack.items.find(({ kind }) => kind === 'log')
  expect(item?.text).toContain('src/http/server.js:2:3')
  expect(item?.text).not.toContain('abcdefgh12345678')
  expect(item?.start).toBeGreaterThan(1)
  expect(pack.redactions).toContainEqual({
    path: 'test.log',
    line: item?.end === undefined ? 0 : item.end - 1,
    rule: 'assigned_secret',
  })
  expect(pack.items.find(({ kind }) => kind === 'file')?.path).toBe('src/http/server.js')
  expect(pack.omitted).toContainEqual({ path: 'test.log', reason: 'in part over the budget' })
})

test('buildContextPack() prefers what changes often among equals', async () => {
  const files = { 'a/one.js': 'sum of parts\n', 'b/two.js': 'sum of wholes\n' }
  const history = (...paths: string[]) => ({
    commit: paths.join(),
    recent: async () => [{ paths }, { paths }],
  })
  const first = await buildContextPack(request('sum', files, { history: history('b/two.js') }))
  expect(paths(first)).toEqual(['b/two.js', 'a/one.js'])
  expect(first.items[0]?.reasons).toContain('changes often')
  const second = await buildContextPack(request('sum', files, { history: history('a/one.js') }))
  expect(paths(second)).toEqual(['a/one.js', 'b/two.js'])
})

test('buildContextPack() cuts long files at their definitions', async () => {
  const method = (name: string, body: string) => `  ${name}() {\n${`    ${body}\n`.repeat(40)}  }\n`
  const long = `class Wide {\n${method('alpha', 'x()')}${method('needle', 'search()')}${method('omega', 'y()')}}\n`
  const pack = await buildContextPack(request('needle', { 'wide.js': long }))
  expect(pack.items).toMatchObject([{ kind: 'slice', start: 44, end: 85 }])
})

/** CPU time, since these machines do other work meanwhile. */
async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

test('buildContextPack() is quick on two thousand files', async () => {
  const files: Record<string, string> = {}
  for (let i = 0; i < 2000; i++)
    files[`src/m${i % 40}/file${i}.ts`] = Array.from(
      { length: 100 },
      (_, n) => `export function handle${i % 50}Case${n}(request) { return sum${n % 7}(request) }`,
    ).join('\n')
  const pack = () =>
    buildContextPack(request('handle12Case3 fails in sum3', files, { budgetTokens: 12_000 }))
  expect(await cpuMs(pack)).toBeLessThan(3000)
})

test('buildContextPack() is quick on hostile files', async () => {
  const hostile = {
    'a.js': 'password='.repeat(20_000),
    'b.js': `${' '.repeat(200_000)}x`,
    'c.js': 'export '.repeat(30_000),
    'd.js': '-----BEGIN '.repeat(20_000),
    'e.js': `function ${'a'.repeat(200_000)}(`,
    'f.js': 'export async '.repeat(25).concat('\n').repeat(700),
  }
  const pack = () => buildContextPack(request('password export begin function', hostile))
  expect(await cpuMs(pack)).toBeLessThan(3000)
})
