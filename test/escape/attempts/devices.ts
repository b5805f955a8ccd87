/** Devices of the host, found or made. */
import { type Attempt, attempts, kitAttempts, writes } from '../attempt.ts'

const careless = { class: 'devices', control: 'careless', wall: 'devices' } as const
const plain = { class: 'devices', control: 'plain', wall: 'seccomp' } as const

/** The arena makes one of a file, where it may. */
const DISK = '{ test -n "$DISK" || ! echo ABSENT; }'

export const DEVICE_ATTEMPTS: readonly Attempt[] = [
  ...attempts(plain, {
    'make a block device': 'rm -f /tmp/d && mknod /tmp/d b 254 0',
    'make a character device': 'rm -f /tmp/c && mknod /tmp/c c 1 1',
  }),
  ...attempts(careless, {
    'find a block device': 'test -n "$(find /dev -type b)"',
    'read a disk': `${DISK} && head -c 1 "$DISK" | wc -c | grep -qx 1`,
    'make the device of a disk and read it': `${DISK} && rm -f /tmp/b; mknod /tmp/b b $DISK_NUMBERS && head -c 1 /tmp/b | wc -c | grep -qx 1`,
    'read the log of the kernel from its device':
      'timeout 2 dd if=/dev/kmsg of=/dev/null bs=8192 count=1 iflag=nonblock',
    'read /dev/mem':
      '{ test -c /dev/mem || ! echo ABSENT; } && head -c 1 /dev/mem | wc -c | grep -qx 1',
    'find devices of the host':
      'test -n "$(ls /dev | grep -E "^(kmsg|mem|port|sd|vd|nvme|loop|fuse|net)")"',
    'find a terminal of the host': 'test -n "$(ls /dev | grep -E "^tty[0-9S]")"',
  }),
  ...writes(careless, ['/dev/kmsg', '/dev/mem', '/dev/port', '/dev/fuse', '/dev/loop-control']),
  ...kitAttempts(careless, { 'make a tunnel device': 'tunnel' }),
]
