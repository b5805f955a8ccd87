import { type RepairTask, task } from './repair-task.ts'

export const TASKS: readonly RepairTask[] = [
  task(
    'sum',
    'sum() of an empty list is 1',
    [
      'export function sum(list) {\n  let total = 1\n  for (const n of list) total += n\n  return total\n}\n',
      'is(m.sum([]), 0)\nis(m.sum([1, 2]), 3)',
    ],
    ['let total = 1', 'let total = 0'],
  ),
  task(
    'pages',
    'A full last page is followed by an empty one',
    [
      'export const pages = (items, size) => Math.floor(items / size) + 1\n',
      'is(m.pages(10, 5), 2)\nis(m.pages(11, 5), 3)',
    ],
    ['Math.floor(items / size) + 1', 'Math.ceil(items / size)'],
  ),
  task(
    'clamp',
    'clamp() returns the lower bound for large values',
    [
      'export const clamp = (n, low, high) => Math.min(low, Math.max(high, n))\n',
      'is(m.clamp(5, 0, 3), 3)\nis(m.clamp(-1, 0, 3), 0)\nis(m.clamp(2, 0, 3), 2)',
    ],
    ['Math.min(low, Math.max(high, n))', 'Math.max(low, Math.min(high, n))'],
  ),
  task(
    'median',
    'median() of an even number of values ignores one of the middle ones',
    [
      'export function median(list) {\n  const sorted = [...list].sort((a, b) => a - b)\n  return sorted[Math.floor(sorted.length / 2)]\n}\n',
      'is(m.median([3, 1, 2]), 2)\nis(m.median([4, 1, 3, 2]), 2.5)',
    ],
    [
      '  return sorted[Math.floor(sorted.length / 2)]',
      '  const half = sorted.length / 2\n  return Number.isInteger(half) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[Math.floor(half)]',
    ],
  ),
  task(
    'sort-numbers',
    'Numbers are sorted as text',
    ['export const sorted = (list) => [...list].sort()\n', 'is(m.sorted([10, 9, 1]), [1, 9, 10])'],
    ['.sort()', '.sort((a, b) => a - b)'],
  ),
  task(
    'mutation',
    'reversed() changes the list it is given',
    [
      'export const reversed = (list) => list.reverse()\n',
      'const list = [1, 2]\nis(m.reversed(list), [2, 1])\nis(list, [1, 2])',
    ],
    ['list.reverse()', '[...list].reverse()'],
  ),
  task(
    'unique',
    'unique() keeps the last of equal values in place of the first',
    [
      'export const unique = (list) => list.filter((x, i) => list.lastIndexOf(x) === i)\n',
      "is(m.unique(['a', 'b', 'a']), ['a', 'b'])",
    ],
    ['lastIndexOf', 'indexOf'],
  ),
  task(
    'default-value',
    'A port of 0 is replaced by the default',
    [
      'export const port = (options) => options.port || 8080\n',
      'is(m.port({ port: 0 }), 0)\nis(m.port({}), 8080)',
    ],
    ['||', '??'],
  ),
  task(
    'leap-year',
    'Centuries are leap years',
    [
      'export const isLeap = (year) => year % 4 === 0\n',
      'is(m.isLeap(1900), false)\nis(m.isLeap(2000), true)\nis(m.isLeap(2024), true)',
    ],
    ['year % 4 === 0', '(year % 4 === 0 && year % 100 !== 0) || year % 400 === 0'],
  ),
  task(
    'escape-html',
    'Ampersands are escaped twice',
    [
      "export const escape = (text) =>\n  text.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('&', '&amp;')\n",
      "is(m.escape('<a & b>'), '&lt;a &amp; b&gt;')",
    ],
    [
      "text.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('&', '&amp;')",
      "text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')",
    ],
  ),
  task(
    'query-string',
    'Values of a query are not encoded',
    [
      "export const query = (values) =>\n  Object.entries(values).map(([k, v]) => `${k}=${v}`).join('&')\n",
      "is(m.query({ a: 'x&y', b: 'ü' }), 'a=x%26y&b=%C3%BC')",
    ],
    ['`${k}=${v}`', '`${encodeURIComponent(k)}=${encodeURIComponent(v)}`'],
  ),
  task(
    'binary-search',
    'The last value of a list is never found',
    [
      'export function find(list, wanted) {\n  let [low, high] = [0, list.length - 1]\n  while (low < high) {\n    const at = (low + high) >> 1\n    if (list[at] === wanted) return at\n    if (list[at] < wanted) low = at + 1\n    else high = at - 1\n  }\n  return -1\n}\n',
      'is(m.find([1, 3, 5], 5), 2)\nis(m.find([1], 1), 0)\nis(m.find([1, 3], 2), -1)',
    ],
    ['low < high', 'low <= high'],
  ),
  task(
    'group-by',
    'Keys such as "constructor" break groupBy()',
    [
      'export function groupBy(list, key) {\n  const groups = {}\n  for (const each of list) (groups[key(each)] ??= []).push(each)\n  return groups\n}\n',
      "is(Object.keys(m.groupBy(['constructor', 'a'], (x) => x)), ['constructor', 'a'])",
    ],
    ['const groups = {}', 'const groups = Object.create(null)'],
  ),
  task(
    'async-order',
    'Results come in the order in which they are ready',
    [
      'export async function all(jobs) {\n  const results = []\n  await Promise.all(jobs.map(async (job) => results.push(await job())))\n  return results\n}\n',
      'const late = (ms, v) => () => new Promise((done) => setTimeout(done, ms, v))\nis(await m.all([late(20, 1), late(1, 2)]), [1, 2])',
    ],
    [
      '  const results = []\n  await Promise.all(jobs.map(async (job) => results.push(await job())))\n  return results',
      '  return await Promise.all(jobs.map((job) => job()))',
    ],
  ),
  task(
    'missing-await',
    'Errors of a job are not caught',
    [
      "export async function attempt(job) {\n  try {\n    return job()\n  } catch {\n    return 'failed'\n  }\n}\n",
      "is(await m.attempt(async () => { throw new Error('x') }), 'failed')\nis(await m.attempt(async () => 1), 1)",
    ],
    ['return job()', 'return await job()'],
  ),
  task(
    'regex-state',
    'Every other match is missed',
    [
      'const DIGITS = /\\d+/g\nexport const hasDigits = (text) => DIGITS.test(text)\n',
      "is(m.hasDigits('a1'), true)\nis(m.hasDigits('a1'), true)",
    ],
    ['/\\d+/g', '/\\d+/'],
  ),
  task(
    'money',
    'Cents are lost to floating point',
    [
      'export const cents = (amount) => Math.floor(amount * 100)\n',
      'is(m.cents(1.15), 115)\nis(m.cents(19.99), 1999)',
    ],
    ['Math.floor', 'Math.round'],
  ),
  task(
    'chunk',
    'The rest of a list is dropped',
    [
      'export function chunk(list, size) {\n  const chunks = []\n  for (let i = 0; i + size <= list.length; i += size) chunks.push(list.slice(i, i + size))\n  return chunks\n}\n',
      'is(m.chunk([1, 2, 3], 2), [[1, 2], [3]])',
    ],
    ['i + size <= list.length', 'i < list.length'],
  ),
  task(
    'deep-merge',
    'merge() replaces objects instead of joining them',
    [
      "const isObject = (x) => x !== null && typeof x === 'object' && !Array.isArray(x)\nexport function merge(a, b) {\n  const out = { ...a }\n  for (const [key, value] of Object.entries(b)) out[key] = value\n  return out\n}\nexport { isObject }\n",
      'is(m.merge({ a: { x: 1 } }, { a: { y: 2 } }), { a: { x: 1, y: 2 } })\nis(m.merge({ a: 1 }, { a: [2] }), { a: [2] })',
    ],
    [
      'out[key] = value',
      'out[key] = isObject(out[key]) && isObject(value) ? merge(out[key], value) : value',
    ],
  ),
  task(
    'debounce',
    'The first call wins instead of the last',
    [
      'export function debounce(run, ms) {\n  let timer\n  return (value) => {\n    timer ??= setTimeout(() => run(value), ms)\n  }\n}\n',
      'const seen = []\nconst call = m.debounce((v) => seen.push(v), 5)\ncall(1)\ncall(2)\nawait new Promise((done) => setTimeout(done, 40))\nis(seen, [2])',
    ],
    ['timer ??= setTimeout', 'clearTimeout(timer)\n    timer = setTimeout'],
  ),
  task(
    'csv',
    'Commas within quotes split a field',
    [
      "export const fields = (line) => line.split(',').map((f) => f.replace(/^\"|\"$/g, ''))\n",
      "is(m.fields('a,\"b,c\",d'), ['a', 'b,c', 'd'])",
    ],
    ["line.split(',')", 'line.match(/"[^"]*"|[^,]+/g)'],
  ),
  task(
    'range',
    'range() never ends when it counts down',
    [
      'export function range(from, to) {\n  const out = []\n  for (let n = from; n < to; n++) out.push(n)\n  return out\n}\n',
      'is(m.range(0, 3), [0, 1, 2])\nis(m.range(3, 0), [3, 2, 1])',
    ],
    [
      'for (let n = from; n < to; n++) out.push(n)',
      'const step = from < to ? 1 : -1\n  for (let n = from; n !== to; n += step) out.push(n)',
    ],
  ),
  task(
    'cache-key',
    'Different arguments share a cache entry',
    [
      'export function memo(run) {\n  const known = new Map()\n  return (...args) => {\n    const key = args.join()\n    if (!known.has(key)) known.set(key, run(...args))\n    return known.get(key)\n  }\n}\n',
      "const f = m.memo((...a) => a.length)\nis(f('a', 'b'), 2)\nis(f('a,b'), 1)",
    ],
    ['args.join()', 'JSON.stringify(args)'],
  ),
  task(
    'semver',
    'Version 1.10 counts as older than 1.9',
    [
      'export const newer = (a, b) => (a > b ? a : b)\n',
      "is(m.newer('1.10.0', '1.9.0'), '1.10.0')\nis(m.newer('2.0.0', '1.9.9'), '2.0.0')",
    ],
    ['(a > b ? a : b)', "(a.localeCompare(b, 'en', { numeric: true }) > 0 ? a : b)"],
  ),
  task(
    'slug',
    'Letters with accents vanish from slugs',
    [
      "export const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')\n",
      "is(m.slug('Crème Brûlée!'), 'creme-brulee')",
    ],
    ['text.toLowerCase()', "text.normalize('NFD').replace(/\\p{M}/gu, '').toLowerCase()"],
  ),
  task(
    'time-left',
    'Sixty seconds are shown as 0:60',
    [
      "export function clock(seconds) {\n  const minutes = Math.ceil(seconds / 60) - 1\n  return `${minutes}:${String(seconds - minutes * 60).padStart(2, '0')}`\n}\n",
      "is(m.clock(60), '1:00')\nis(m.clock(61), '1:01')\nis(m.clock(5), '0:05')",
    ],
    ['Math.ceil(seconds / 60) - 1', 'Math.floor(seconds / 60)'],
  ),
]
