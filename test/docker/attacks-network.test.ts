/** Ways out of a run through the whole program; each is shown to work from a plain container. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect } from 'vitest'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { hostileRepository } from '../helpers/hostile-repository.ts'
import { plainContainer, removePlainContainers } from '../helpers/plain-container.ts'

const INSTANCE = 'test-attacks-network'
expectNoLeftovers(INSTANCE)

/** Says OPEN for each way that works: to the host, by name, by other families, to the engine. */
function waysOut(host: string, port: number): string {
  return `
    perl -MIO::Socket::INET -e 'print "OPEN host\\n" if IO::Socket::INET->new(PeerAddr=>"${host}",PeerPort=>${port},Timeout=>3)'
    perl -MSocket -e 'socket(S,AF_INET,SOCK_DGRAM,0) or exit; connect(S,sockaddr_in(53,inet_aton("${host}"))) and print "OPEN route\\n"'
    perl -e 'for ([38,5,0,"alg"],[40,1,0,"vsock"],[17,3,768,"packet"],[2,3,1,"raw"]) { socket(S,$_->[0],$_->[1],$_->[2]) and print "OPEN $_->[3]\\n" }'
    for s in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock; do [ -e $s ] && echo OPEN $s; done
    [ $(grep -c : /proc/net/dev) -gt 1 ] && echo OPEN device
    grep nameserver /etc/resolv.conf | grep -v 127.0.0.1 | sed 's/^/OPEN /'; true`
}

dockerTest('a run has no way out: no host, no resolver, no other family, no engine', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '0.0.0.0')
  await once(server, 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  try {
    const engine = testEngine()
    const plain = await plainContainer(engine, INSTANCE, {})
    const { stdout: gateway } = await plain.run(
      `perl -ne 'print join ".", reverse map hex, $1 =~ /(..)/g if /^\\w+\\s+00000000\\s+(\\w{8})/' /proc/net/route`,
    )
    const control = (await plain.run(waysOut(gateway, port))).stdout
    for (const way of ['host', 'route', 'raw', 'device']) expect(control).toContain(`OPEN ${way}`)

    await using repository = hostileRepository()
    const { result } = await repository.shell(waysOut(gateway, port))
    expect(result.status).toBe('succeeded')
    expect((await repository.openexec('logs', result.run)).stdout.toString()).toBe('')
  } finally {
    server.close()
    await removePlainContainers(testEngine(), INSTANCE)
  }
})
