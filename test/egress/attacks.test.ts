/**
 * One sandbox whose door leads to `allowed.test`, and everything that tries to lead it elsewhere.
 * Each attempt is shown to be one: a careless proxy would have let it through, a plain container has
 * the way that the sandbox lacks. Nothing reaches a host, an address or a resolver it should not.
 */
import { afterAll, beforeAll, expect } from 'vitest'
import { networkList, readPolicy } from '../../src/policy/index.ts'
import type { EgressDoor } from '../../src/sandbox/egress/door.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { carelessly } from '../helpers/careless-proxy.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { ATTACKS, attackNames } from '../helpers/egress-attacks.ts'
import {
  type PlainContainer,
  plainContainer,
  removePlainContainers,
} from '../helpers/plain-container.ts'
import { run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'
import { testInternet, type TestInternet } from '../helpers/test-internet.ts'

const INSTANCE = 'test-egress'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
const RESOLVED = ['private', 'metadata', 'loopback', 'mapped', 'nat64', 'own', 'moving', 'zero']
const NAMES = ['allowed.test', ...RESOLVED.map((name) => `${name}.allowed.test`)]
const LIST = networkList(
  readPolicy({ file: 'p.yaml', text: `version: 1\nnetwork: { allow: [${NAMES.join(', ')}] }\n` }),
  { mode: 'workspace_write', stage: 'attack', network: undefined },
)

let internet: TestInternet
let door: EgressDoor
let sandbox: Sandbox
let plain: PlainContainer

beforeAll(async () => {
  internet = await testInternet()
  attackNames(internet)
  door = internet.door(LIST, { headMs: 2_000, helloMs: 1_000, idleMs: 3_000 })
  ;[sandbox, plain] = await Promise.all([
    bench.open(testConfinement('workspace_write')),
    plainContainer(testEngine(), INSTANCE, {}),
  ])
  await sandbox.openEgress((connection) => door.accept(connection))
})
afterAll(async () => {
  await bench.closeAll()
  await removePlainContainers(testEngine(), INSTANCE)
  await internet[Symbol.asyncDispose]()
})

/** Eight at a time: sends the bytes of each line, gives what comes back until it ends or 5 s. */
const SENDER = String.raw`
use IO::Socket::INET; use IO::Select; $| = 1;
my @lines = <STDIN>; chomp @lines;
for my $worker (0 .. 7) {
  next if fork;
  for (my $i = $worker; $i < @lines; $i += 8) {
    my ($answer, $until) = ("", time + 5);
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 3128, Timeout => 5);
    if ($s) {
      $s->syswrite(pack "H*", $lines[$i]);
      my $select = IO::Select->new($s);
      while (time < $until && $select->can_read(1 + $until - time)) { last unless sysread $s, my $part, 65536; $answer .= $part }
    }
    print "$i " . unpack("H*", $answer) . "\n";
  }
  exit;
}
1 while wait != -1;`

async function send(attempts: readonly Buffer[]): Promise<string[]> {
  const stdin = attempts.map((bytes) => `${bytes.toString('hex')}\n`).join('')
  const { stdout, stderr } = await run(sandbox, ['perl', '-e', SENDER], {
    stdin,
    timeoutMs: 90_000,
  })
  expect(stderr).toBe('')
  const answers = attempts.map(() => '')
  for (const line of stdout.trimEnd().split('\n')) {
    const [index, hex = ''] = line.split(' ')
    answers[Number(index)] = Buffer.from(hex, 'hex').toString('latin1')
  }
  await door.settled(5_000)
  return answers
}

dockerTest('the door leads to the host that is listed', async () => {
  const [answer] = await send([
    Buffer.from(
      'GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n',
    ),
  ])
  expect(answer).toMatch(/^HTTP\/1.1 200 OK/)
  expect(internet.arrived.splice(0)).toEqual(['http GET allowed.test /'])
})

dockerTest(`none of ${ATTACKS.length} attempts gets more out of the door`, async () => {
  expect(ATTACKS.length).toBeGreaterThan(80)
  const harmless = ATTACKS.filter((attack) => {
    const reached = carelessly(attack, internet)
    const isListed = reached === undefined || /^20\.0\.0\.1:(?:80|443)$/.test(reached.target)
    return isListed && (reached?.passed ?? '') === ''
  })
  expect(harmless.map(({ name }) => name)).toEqual([])
  for (const list of [internet.dialled, internet.asked, internet.arrived]) list.length = 0
  internet.tlsBytes = 0

  const answers = await send(ATTACKS.map(({ bytes }) => bytes))
  const granted = ATTACKS.filter((attack, i) => isGranted(answers[i] ?? '', attack.bytes))
  // A name that moves is allowed where its only look shows what may be reached; so is a first request.
  expect(granted.map(({ name }) => name).filter((name) => !MAY_BE_GRANTED.test(name))).toEqual([])

  expect(beyond(internet.dialled, ['20.0.0.1:80', '20.0.0.1:443'])).toEqual([])
  expect(beyond(internet.asked, NAMES)).toEqual([])
  expect(beyond(internet.arrived, MAY_ARRIVE)).toEqual([])
  expect(internet.tlsBytes).toBe(0)
})

const MAY_BE_GRANTED =
  /moving\.|second authority|tunnel after|hidden in a body|change of protocol|^TLS |another language|tunnel to port 80/
const MAY_ARRIVE = [
  'http GET allowed.test /first',
  'http POST allowed.test /first',
  'http GET moving.allowed.test /leak',
]

function beyond(seen: readonly string[], expected: readonly string[]): string[] {
  return seen.filter((each) => !expected.includes(each))
}

/** Whether the first answer was a yes; what came of it is seen at the other end. */
function isGranted(answer: string, bytes: Buffer): boolean {
  if (bytes[0] === 5) return answer.length > 3 && answer.charCodeAt(3) === 0
  return answer.startsWith('HTTP/1.1 2')
}

// oxfmt-ignore
const PLACES = [
  '8.8.8.8', '1.1.1.1', '169.254.169.254', '10.0.0.1', '172.17.0.1', '192.168.0.1',
  '100.100.100.200', '20.0.0.1', '224.0.0.1', '198.18.0.1',
]

dockerTest(
  'with the door open there is still no route, no datagram and no name lookup beside it',
  async () => {
    const udp = PLACES.map(
      (place) =>
        `socket(S,AF_INET,SOCK_DGRAM,0); print "${place} " if connect(S,sockaddr_in(53,inet_aton("${place}")));`,
    )
    const tcp = PLACES.map(
      (place) =>
        `socket(S,AF_INET,SOCK_STREAM,0); fcntl(S,4,2048); connect(S,sockaddr_in(443,inet_aton("${place}"))); print "tcp:${place} " if $!{EINPROGRESS};`,
    )
    const script = `perl -MSocket -MErrno -e '${[...udp, ...tcp].join(' ')}'`
    const everywhere = [...PLACES, ...PLACES.slice(0, 8).map((place) => `tcp:${place}`)]
    expect((await plain.run(script)).stdout.split(' ')).toEqual(expect.arrayContaining(everywhere))
    expect((await run(sandbox, script)).stdout).toBe('')
    const names =
      'for n in allowed.test dns.evil.test leak.allowed.test; do getent ahosts $n; done; true'
    const asked = internet.asked.length
    expect((await run(sandbox, names)).stdout).toBe('')
    expect(internet.asked).toHaveLength(asked)
  },
)

dockerTest(
  'another list in mid-run cuts what is open, and no list lets nothing through',
  async () => {
    const talk = String.raw`perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:3128"); print $s "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n"; sysread $s, $a, 999; print substr($a, 9, 3), "\n"; open F, ">/tmp/open"; close F; sysread $s, $b, 999; print "cut\n"'`
    const talking = run(sandbox, talk, { timeoutMs: 20_000 })
    while ((await sandbox.stat('/tmp/open')) === undefined)
      await new Promise((done) => setTimeout(done, 20))
    door.use(networkList(LIST.policy, { mode: 'workspace_write', stage: 'closed', network: [] }))
    expect((await talking).stdout).toBe('200\ncut\n')
    const [denied] = await send([
      Buffer.from('GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n'),
    ])
    expect(denied).toContain('decided by: stage:network')
    door.use(undefined)
    expect(
      await send([Buffer.from('GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n')]),
    ).toEqual([''])
  },
)
