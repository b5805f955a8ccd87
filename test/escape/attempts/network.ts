/**
 * Ways out by network. `talk` hears a word from a listener on the host; the others show that a packet
 * leaves, whether or not anybody answers, so that they need no internet.
 */
import { type Attempt, attempts, kitAttempts } from '../attempt.ts'

const plain = { class: 'network', control: 'plain', wall: 'network' } as const
const host = { ...plain, control: 'host' } as const
const family = { ...plain, wall: 'seccomp' } as const

export const NETWORK_ATTEMPTS: readonly Attempt[] = [
  ...kitAttempts(plain, {
    'talk to the host through the gateway': 'talk "$GATEWAY" "$TCP"',
    'talk to the host through another of its addresses': 'talk "$HOST_ADDRESS" "$TCP"',
    'connect to the internet': 'tcp 1.1.1.1 443',
    'connect to a metadata service': 'tcp 169.254.169.254 80',
    'connect to a metadata service of containers': 'tcp 169.254.170.2 80',
    'connect to a private network': 'tcp 10.0.0.1 22',
    'connect to another private network': 'tcp 192.168.0.1 80',
    'connect to a shared address': 'tcp 100.64.0.1 80',
    'connect to another container': 'tcp "$NEIGHBOUR" 80',
    'connect to the API of an engine': 'tcp "$GATEWAY" 2375',
    'send a datagram to the host': 'udp "$GATEWAY" "$UDP"',
    'tunnel through name lookups': 'udp 8.8.8.8 53',
    'speak QUIC': 'udp 1.1.1.1 443',
    'send to everybody on the network': 'udp 255.255.255.255 67',
    'send to a group': 'udp 224.0.0.251 5353',
    'send an echo request': 'raw-icmp 1.1.1.1',
    'make a raw socket': 'socket 2 3 1',
    'make a packet socket': 'socket 17 3 768',
  }),
  ...kitAttempts(host, {
    'talk to a service on the loopback of the host': 'talk 127.0.0.1 "$LOOPBACK"',
    'talk to an abstract socket of the host': 'abstract "$MARKER"',
    'connect by IPv6': 'tcp 2606:4700:4700::1111 443',
  }),
  ...kitAttempts(family, {
    'make a socket to the hypervisor': 'socket 40 1 0',
    'make a socket to the ciphers of the kernel': 'socket 38 5 0',
    'make a Bluetooth socket': 'socket 31 3 1',
    'make a CAN socket': 'socket 29 3 1',
    'make a TIPC socket': 'socket 30 1 0',
    'make an RDS socket': 'socket 21 5 0',
    'make an express data path socket': 'socket 44 3 0',
    'connect to the hypervisor': 'vsock-host',
  }),
  ...attempts(plain, {
    'find an interface beside loopback':
      'test -n "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " " | grep -vxE "lo|tunl0|sit0|gre0|gretap0|erspan0|ip6tnl0|ip6gre0|ip_vti0|ip6_vti0")"',
    'find a route': 'test -n "$(tail -n +2 /proc/net/route)"',
    'learn the resolver of the host': 'grep "^nameserver" /etc/resolv.conf | grep -qv "127.0.0.1$"',
    'see its neighbours': 'test -n "$(tail -n +2 /proc/net/arp)"',
  }),
]
