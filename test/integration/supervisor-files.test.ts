import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect } from 'vitest'
import type { Pipe } from '../../src/sandbox/pipe.ts'
import {
  build,
  type Build,
  capture,
  command,
  type Host,
  startHost,
  supervisorTest,
} from '../helpers/supervisor.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-root-'))
const outside = mkdtempSync(join(tmpdir(), 'openexec-outside-'))
afterAll(() => {
  for (const folder of [root, outside]) rmSync(folder, { recursive: true, force: true })
})

const signal = new AbortController().signal
const limits = { bytesMax: 10_000_000, signal }

describe.each<Build>(['supervisor', 'supervisor-sanitized'])('%s', (name) => {
  let host: Host
  let pipe: Pipe
  let at: (name: string) => string

  beforeEach(async () => {
    const folder = mkdtempSync(join(root, 'case-'))
    at = (below) => (below === '' ? `${folder}/` : join(folder, below))
    host = startHost(build(name), root)
    pipe = await host.open()
    return async () => {
      pipe.shutdown()
      expect(await pipe.ended).toBeUndefined()
      expect(host.stderr()).toBe('')
    }
  })

  supervisorTest('writeFile() and readFile() carry any bytes of any size', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 3_000_001]) {
      const content = Buffer.alloc(size, 'abcdefg')
      await pipe.writeFile(at('file'), content, { mode: 0o640, signal })
      expect(content.equals(readFileSync(at('file')))).toBe(true)
      expect(content.equals(await pipe.readFile(at('file'), limits))).toBe(true)
    }
  })

  supervisorTest(
    'writeFile() makes parents, sets the mode and keeps the one it finds',
    async () => {
      await pipe.writeFile(at('a/b/c'), Buffer.from('1'), { mode: 0o700, signal })
      expect(statSync(at('a/b/c')).mode & 0o7777).toBe(0o700)
      await pipe.writeFile(at('a/b/c'), Buffer.from('2'), { mode: undefined, signal })
      expect(statSync(at('a/b/c')).mode & 0o7777).toBe(0o700)
      await pipe.writeFile(at('new'), Buffer.from('3'), { mode: undefined, signal })
      expect(statSync(at('new')).mode & 0o7777).toBe(0o644)
      // No request gives anyone another one's rights.
      await pipe.writeFile(at('set-id'), Buffer.from('4'), { mode: 0o6755, signal })
      expect(statSync(at('set-id')).mode & 0o7777).toBe(0o755)
      expect(readdirSync(at('')).toSorted()).toEqual(['a', 'new', 'set-id'])
    },
  )

  supervisorTest('writeFile() replaces a file in one step', async () => {
    writeFileSync(at('file'), 'old')
    const old = statSync(at('file')).ino
    await pipe.writeFile(at('file'), Buffer.from('new'), { mode: undefined, signal })
    expect(statSync(at('file')).ino).not.toBe(old)
  })

  supervisorTest('no file operation follows a symbolic link', async () => {
    writeFileSync(join(outside, 'secret'), 'secret')
    symlinkSync(join(outside, 'secret'), at('link'))
    symlinkSync(outside, at('folder'))
    mkdirSync(at('real'))
    symlinkSync('real', at('inside'))
    const write = (path: string) => pipe.writeFile(path, Buffer.from('x'), { mode: 0o600, signal })
    const attempts = [
      () => pipe.readFile(at('link'), limits),
      () => pipe.readFile(at('folder/secret'), limits),
      () => write(at('link')),
      () => write(at('folder/planted')),
      () => write(at('folder/deep/planted')),
      () => write(at('inside/planted')),
      () => pipe.list(at('folder'), { entriesMax: 10, signal }),
      () => pipe.list(at('folder/'), { entriesMax: 10, signal }),
      () => pipe.stat(at('folder/secret'), { signal }),
      () => pipe.removeFile(at('folder/secret'), { signal }),
      () => pipe.makeDirectory(at('folder/new'), { mode: 0o755, signal }),
    ]
    for (const attempt of attempts)
      await expect(attempt()).rejects.toMatchObject({
        code: 'bad_request',
        details: { errno: 'ELOOP' },
      })
    expect(readdirSync(outside)).toEqual(['secret'])
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
    // The link itself may be looked at and removed.
    expect(await pipe.stat(at('link'), { signal })).toMatchObject({ type: 'symlink' })
    await pipe.removeFile(at('link'), { signal })
    expect(await pipe.stat(at('link'), { signal })).toBeUndefined()
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
  })

  supervisorTest('no file operation leaves the roots', async () => {
    const paths = [
      '/etc/passwd',
      '/',
      `${root}-beside/file`,
      join(root, '..') + '/etc',
      `${root}/../../etc/passwd`,
      `${root}/x/../../../etc/passwd`,
      '/proc/1/environ',
    ]
    for (const path of paths) {
      await expect(pipe.readFile(path, limits)).rejects.toMatchObject({ code: 'bad_request' })
      await expect(pipe.stat(path, { signal })).rejects.toMatchObject({ code: 'bad_request' })
    }
    for (const path of ['relative', '', `${root}/a\0b`, `${root}/${'x/'.repeat(3000)}`])
      await expect(pipe.readFile(path, limits)).rejects.toMatchObject({ code: 'bad_request' })
    expect(await pipe.stat(`${root}//./${at('').slice(root.length)}`, { signal })).toMatchObject({
      type: 'directory',
    })
  })

  supervisorTest(
    'a link swapped in while a file is read or written never leads outside',
    async () => {
      mkdirSync(at('flip'))
      writeFileSync(at('flip/secret'), 'public')
      mkdirSync(at('parked'))
      writeFileSync(join(outside, 'secret'), 'SECRET')
      const swap = `cd '${at('')}'; while :; do
        mv -T flip real; ln -s '${outside}' flip; rm flip; mv -T real flip; done`
      const swapping = pipe.exec(
        { ...command('sh', '-c', swap), timeoutMs: 2_000 },
        { signal, onOutput: () => {} },
      )
      let over = false
      void swapping.finally(() => (over = true))
      const seen = new Set<string>()
      while (!over) {
        const read = pipe.readFile(at('flip/secret'), limits).then(
          (bytes) => Buffer.from(bytes).toString(),
          (error: { code: string }) => error.code,
        )
        const written = pipe
          .writeFile(at('flip/planted'), Buffer.from('x'), { mode: 0o600, signal })
          .catch(() => {})
        seen.add((await Promise.all([read, written]))[0])
      }
      await swapping
      expect(
        [...seen].filter((one) => !['public', 'not_found', 'bad_request'].includes(one)),
      ).toEqual([])
      expect(readdirSync(outside)).toEqual(['secret'])
    },
  )

  supervisorTest('readFile() refuses what is no regular file, at once', async () => {
    await capture(pipe, command('mkfifo', at('fifo')))
    await expect(pipe.readFile(at('fifo'), limits)).rejects.toThrow(/no regular file/)
    await expect(
      pipe.writeFile(at('fifo'), Buffer.from('x'), { mode: 0o600, signal }),
    ).rejects.toThrow(/no regular file/)
    await expect(pipe.readFile(at(''), limits)).rejects.toMatchObject({
      details: { errno: 'EISDIR' },
    })
    await expect(pipe.readFile(at('none'), limits)).rejects.toMatchObject({ code: 'not_found' })
    await expect(pipe.readFile(at('fifo/x'), limits)).rejects.toMatchObject({ code: 'not_found' })
    expect(await pipe.stat(at('fifo'), { signal })).toMatchObject({ type: 'other' })
  })

  supervisorTest('readFile() refuses more than was allowed for', async () => {
    writeFileSync(at('file'), '12345')
    expect(await pipe.readFile(at('file'), { bytesMax: 5, signal })).toHaveLength(5)
    await expect(pipe.readFile(at('file'), { bytesMax: 4, signal })).rejects.toMatchObject({
      code: 'bad_request',
      details: { errno: 'EFBIG' },
    })
    writeFileSync(at('sparse'), '')
    truncateSync(at('sparse'), 2 ** 40)
    await expect(
      pipe.readFile(at('sparse'), { bytesMax: 1_000_000, signal }),
    ).rejects.toMatchObject({
      details: { errno: 'EFBIG' },
    })
  })

  supervisorTest('list() gives every name as it is, sorted by bytes', async () => {
    const names = ['b', 'a\nb', '-x', 'ü', 'A', '.hidden', 'x'.repeat(255)].map((one) =>
      Buffer.from(one),
    )
    names.push(Buffer.from([0x62, 0xff, 0x80]))
    for (const one of names) writeFileSync(Buffer.concat([Buffer.from(at('')), one]), '')
    chmodSync(at('A'), 0o600)
    const entries = await pipe.list(at(''), { entriesMax: 100, signal })
    const sorted = names.toSorted((a, b) => Buffer.compare(a, b))
    expect(entries.map((entry) => Buffer.from(entry.name).toString('hex'))).toEqual(
      sorted.map((one) => one.toString('hex')),
    )
    expect(entries.find(({ name: bytes }) => Buffer.from(bytes).toString() === 'A')).toMatchObject({
      type: 'file',
      mode: 0o600,
      size: 0,
    })
    const odd = Buffer.concat([Buffer.from(at('')), Buffer.from([0x62, 0xff, 0x80])])
    expect(await pipe.stat(odd, { signal })).toMatchObject({ type: 'file' })
  })

  supervisorTest(
    'list() takes thousands of entries and refuses more than allowed for',
    async () => {
      for (let one = 0; one < 3_000; one++) writeFileSync(at(`entry-with-a-long-name-${one}`), '')
      expect(await pipe.list(at(''), { entriesMax: 3_000, signal })).toHaveLength(3_000)
      await expect(pipe.list(at(''), { entriesMax: 2_999, signal })).rejects.toThrow(
        /more than 2999 entries/,
      )
      await expect(pipe.list(at('none'), { entriesMax: 9, signal })).rejects.toMatchObject({
        code: 'not_found',
      })
    },
  )

  supervisorTest(
    'removeFile() and makeDirectory() do one thing and say what hinders them',
    async () => {
      await pipe.makeDirectory(at('x/y'), { mode: 0o750, signal })
      await pipe.makeDirectory(at('x/y'), { mode: 0o750, signal })
      expect(lstatSync(at('x/y')).isDirectory()).toBe(true)
      await expect(pipe.removeFile(at('x'), { signal })).rejects.toMatchObject({
        details: { errno: 'ENOTEMPTY' },
      })
      await pipe.removeFile(at('x/y'), { signal })
      await expect(pipe.removeFile(at('x/y'), { signal })).rejects.toMatchObject({
        code: 'not_found',
      })
      writeFileSync(at('file'), '')
      await expect(pipe.makeDirectory(at('file'), { mode: 0o755, signal })).rejects.toMatchObject({
        details: { errno: 'EEXIST' },
      })
      await expect(pipe.removeFile(root, { signal })).rejects.toMatchObject({ code: 'bad_request' })
    },
  )

  supervisorTest('an aborted operation is cancelled and the pipe goes on', async () => {
    writeFileSync(at('file'), Buffer.alloc(5_000_000))
    const stop = new AbortController()
    const reading = pipe.readFile(at('file'), { bytesMax: 10_000_000, signal: stop.signal })
    stop.abort()
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    expect(await pipe.readFile(at('file'), limits)).toHaveLength(5_000_000)
  })

  supervisorTest('probe() reports what the kernel says of the supervisor', async () => {
    const files = await pipe.probe({ signal })
    expect(files.get('/proc/self/status')).toMatch(/^CapBnd:\t[0-9a-f]{16}$/m)
    expect(files.get('/proc/self/status')).toMatch(new RegExp(`^Pid:\t${host.pid}$`, 'm'))
    expect(files.get('/proc/self/limits')).toMatch(/Max open files/)
    expect(files.get('/proc/self/mountinfo')).toMatch(/ - /)
    expect(files.get('/proc/net/dev')).toMatch(/lo:/)
  })
})

supervisorTest('the supervisor passes its own tests', () => {
  expect(execFileSync(build('test'), { encoding: 'utf8' })).toBe('test: all passed\n')
})

supervisorTest('the decoder stands two seconds of fuzzing under the sanitizers', () => {
  const seed = String(process.pid)
  expect(execFileSync(build('fuzz'), ['2', seed], { encoding: 'utf8' })).toMatch(
    /^fuzz: \d{4,} inputs\n$/,
  )
})
