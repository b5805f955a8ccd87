/**
 * The syscall table on a real engine: programs people use work under it, and every attack it refuses
 * is shown to reach the kernel where there is no filter.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { compileConfinement, defaultPolicy } from '../../src/policy/index.ts'
import { type OWN_IMAGES, resolveImage } from '../../src/sandbox/images.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'

const INSTANCE = `test-${randomUUID()}`
const EPERM = 1
const ENOSYS = 38
const PROBE = readFileSync(new URL('../fixtures/programs/seccomp-probe.c', import.meta.url), 'utf8')

type OwnImage = (typeof OWN_IMAGES)[number]

expectNoLeftovers(INSTANCE)

/** Runs a shell script as a user without any privilege; the answer is what it printed. */
async function run(
  image: OwnImage,
  script: string,
  options: { seccomp: string; argument: string },
): Promise<{ exitCode: number; output: string }> {
  const { docker } = testEngine()
  const { id } = await resolveImage(docker, image)
  const container = await docker.createContainer({
    Image: id,
    Entrypoint: ['/bin/sh', '-euc', script, 'sh', options.argument],
    Cmd: [],
    User: '1000:1000',
    Env: ['HOME=/tmp', 'CI=true'],
    WorkingDir: '/tmp',
    Labels: { 'openexec.instance': INSTANCE },
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': 'rw,exec,nosuid,nodev,size=256m,mode=1777' },
      SecurityOpt: ['no-new-privileges:true', `seccomp=${options.seccomp}`],
      Memory: 1024 ** 3,
      PidsLimit: 256,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    },
  })
  try {
    await container.start()
    const { StatusCode } = await container.wait()
    const log = await container.logs({ stdout: true, stderr: true, follow: false })
    return { exitCode: StatusCode, output: withoutFrames(log) }
  } finally {
    await container.remove({ force: true, v: true })
  }
}

/** A log comes in frames: one byte stream, three unused, four length, then the text. */
function withoutFrames(log: Buffer): string {
  const parts: Buffer[] = []
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4)
    parts.push(log.subarray(at + 8, end))
    at = end
  }
  return Buffer.concat(parts).toString('utf8')
}

const { seccomp } = compileConfinement(defaultPolicy(), 'workspace_write', {
  runtimes: [],
  network: undefined,
  omitsDeniedPaths: false,
})
const STRICT = seccomp.profile

async function probe(profile: string): Promise<Map<string, number>> {
  const script = 'printf %s "$1" > probe.c; gcc -O1 -o probe probe.c; ./probe'
  const { exitCode, output } = await run('base', script, {
    seccomp: profile,
    argument: PROBE,
  })
  if (exitCode !== 0) throw new Error(`The probe did not run: ${output}`)
  const rows = output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  return new Map(rows.map(([name = '', errno = '']) => [name, Number(errno)]))
}

const MUST_WORK = [
  'socket-unix',
  'socket-inet',
  'socket-inet6',
  'socket-netlink',
  'mkfifo',
  'clone',
  'personality-query',
]
/** Answered as if the kernel did not know them, so that programs fall back. */
const UNKNOWN = ['io_uring_setup', 'clone3-user', 'int80-socketcall-vsock']
/** Attacks that any kernel this runs on carries out for anybody, unless a filter is there. */
const ALWAYS_POSSIBLE = [
  'ptrace',
  'process_vm_writev',
  'vmsplice',
  'adjtimex',
  'personality-no-randomisation',
]

describe('the syscall table', () => {
  dockerTest('refuses every attack that reaches the kernel without it', async () => {
    const open = await probe('unconfined')
    const strict = await probe(STRICT)
    const attacks = [...strict.keys()].filter(
      (name) => !MUST_WORK.includes(name) && name !== 'int80-getpid',
    )
    const answers = attacks.map((name) => [name, strict.get(name)])
    expect(answers).toEqual(attacks.map((name) => [name, UNKNOWN.includes(name) ? ENOSYS : EPERM]))
    // The control: the same attempt, no filter. A kernel without the feature cannot be a control.
    const reached = attacks.filter((name) => ![EPERM, ENOSYS].includes(open.get(name) ?? EPERM))
    expect(reached).toEqual(expect.arrayContaining(ALWAYS_POSSIBLE))
    expect(reached.length).toBeGreaterThan(attacks.length / 2)
    expect(ALWAYS_POSSIBLE.map((name) => [name, open.get(name)])).toEqual(
      ALWAYS_POSSIBLE.map((name) => [name, 0]),
    )
  })

  dockerTest('lets ordinary calls through', async () => {
    const strict = await probe(STRICT)
    expect(MUST_WORK.map((name) => [name, strict.get(name)])).toEqual(
      MUST_WORK.map((name) => [name, 0]),
    )
  })
})

const PROGRAMS: [title: string, image: OwnImage, script: string, printed: string][] = [
  [
    'a C program with threads, built by make and gcc',
    'base',
    `cat > t.c <<'END'
#include <pthread.h>
#include <stdio.h>
static void *work(void *x) { ++*(int *)x; return x; }
int main(void) { int n = 41; pthread_t t; pthread_create(&t, 0, work, &n); pthread_join(t, 0); printf("%d\\n", n); }
END
    make -s t LDLIBS=-lpthread; ./t`,
    '42',
  ],
  [
    'git: init, commit, worktree, clone, gc',
    'base',
    `git init -q r; cd r; git config user.email a@b.test; git config user.name A
    echo x > f; git add f; git commit -qm one; git worktree add -q ../w; git gc -q; cd ..
    git clone -q r c; git -C c log --format=%s`,
    'one',
  ],
  [
    'shell tools: pipes, tar, perl, jq, ripgrep, a loopback connection',
    'base',
    `mkdir d; echo needle > d/f; tar -cf - d | tar -tf - > list; rg -q needle d
    perl -e 'if (fork) { wait } else { exit 0 }'; mkfifo p; (echo '{"a":"ok"}' > p &) ; jq -r .a < p
    (nc -l 127.0.0.1 8080 > got &); tries=0
    until echo hi | nc -N 127.0.0.1 8080; do tries=$((tries + 1)); [ $tries -lt 100 ]; sleep 0.1; done`,
    'ok',
  ],
  [
    'node: workers, child processes, loopback server, file watching',
    'node',
    `cat > t.mjs <<'END'
import { Worker } from 'node:worker_threads'
import { execFileSync } from 'node:child_process'
import { createServer, get } from 'node:http'
import { watch, writeFileSync } from 'node:fs'
import { scryptSync, generateKeyPairSync } from 'node:crypto'
const worker = new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true })
const answer = await new Promise((resolve) => worker.once('message', resolve))
const child = execFileSync(process.execPath, ['-p', '1 + 1'], { encoding: 'utf8' }).trim()
const server = createServer((_, res) => res.end('served')).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const body = await new Promise((resolve) => get({ port: server.address().port, host: '127.0.0.1' }, (res) => res.setEncoding('utf8').on('data', resolve)))
server.close()
const seen = new Promise((resolve) => { const w = watch('/tmp', () => { w.close(); resolve('seen') }) })
writeFileSync('/tmp/touched', 'x')
scryptSync('a', 'b', 16); generateKeyPairSync('ed25519')
console.log(answer, child, body, await seen)
END
    node t.mjs`,
    '42 2 served seen',
  ],
  [
    'npm: pack, install from a file, run a script, node --test',
    'node',
    `mkdir lib app; cd lib; npm init -y > /dev/null; npm pack --silent > /dev/null; cd ../app; npm init -y > /dev/null
    npm install --silent --offline ../lib/lib-1.0.0.tgz
    echo 'require("node:test")("t", () => {})' > t.test.js
    npm pkg set scripts.test="node --test"; npm test 2>&1 | grep -E '^. pass 1'`,
    'pass 1',
  ],
  [
    'python: multiprocessing, subprocess, ssl, asyncio, temporary files',
    'python',
    `cat > t.py <<'END'
import asyncio, multiprocessing, socket, sqlite3, ssl, subprocess, tempfile, threading
def square(n): return n * n
async def serve():
    server = await asyncio.start_server(lambda r, w: w.close(), '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    return await reader.read()
if __name__ == '__main__':
    with multiprocessing.Pool(2) as pool: total = sum(pool.map(square, range(4)))
    ssl.create_default_context(); sqlite3.connect(':memory:').execute('select 1')
    thread = threading.Thread(target=square, args=(1,)); thread.start(); thread.join()
    with tempfile.TemporaryFile() as f: f.write(b'x')
    asyncio.run(serve())
    print(total, subprocess.run(['echo', 'sub'], capture_output=True, text=True).stdout.strip())
END
    python3 t.py; python3 -m venv --without-pip v; v/bin/python -c 'print("venv")'`,
    '14 sub\nvenv',
  ],
]

describe('programs under the syscall table', () => {
  for (const [title, image, script, printed] of PROGRAMS)
    dockerTest(`work: ${title}`, async () => {
      const result = await run(image, script, { seccomp: STRICT, argument: '' })
      expect(result.output).toContain(printed)
      expect(result.exitCode).toBe(0)
    })
})
