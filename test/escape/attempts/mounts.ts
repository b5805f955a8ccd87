/** Mounting, and writing where the system is. Everything that is mounted is unmounted again. */
import { type Attempt, attempts, writes } from '../attempt.ts'

const careless = { class: 'mounts', control: 'careless', wall: 'capabilities' } as const
const plain = { class: 'mounts', control: 'plain', wall: 'root' } as const

const on = (mount: string, look: string) =>
  `mkdir -p /tmp/m && ${mount} /tmp/m && { ${look}; r=$?; umount /tmp/m; test $r = 0; }`

const PIDS = 'test -n "$(find /tmp/m -name pids.max -writable | head -1)"'

export const MOUNT_ATTEMPTS: readonly Attempt[] = [
  ...attempts(careless, {
    'mount a file system in memory': on('mount -t tmpfs x', 'true'),
    'mount a directory elsewhere': on('mount --bind /etc', 'test -e /tmp/m/passwd'),
    'mount /proc anew, without masks': on('mount -t proc x', 'test -s /tmp/m/cmdline'),
    'mount /sys anew, writable': on(
      'mount -t sysfs x',
      'test -w /tmp/m/kernel/uevent_helper || test -d /tmp/m/class',
    ),
    'mount the debug file system': on('mount -t debugfs x', 'test -n "$(ls /tmp/m)"'),
    'mount an overlay over the system':
      'mkdir -p /dev/shm/u /dev/shm/w && ' +
      on('mount -t overlay -o lowerdir=/etc,upperdir=/dev/shm/u,workdir=/dev/shm/w x', 'true'),
    'mount a device file system': on('mount -t devtmpfs x', 'test -e /tmp/m/kmsg'),
    'mount control groups and own their release agent':
      '{ test -d /sys/fs/cgroup/memory || ! echo ABSENT; } && ' +
      on('mount -t cgroup -o memory x', 'test -w /tmp/m/release_agent || test -w /tmp/m/tasks'),
    'allow itself every device':
      '{ test -d /sys/fs/cgroup/devices || ! echo ABSENT; } && ' +
      on('mount -t cgroup -o devices x', 'test -n "$(find /tmp/m -name devices.allow -writable)"'),
    'lift its own limits in the control group': `{ ${on('mount -t cgroup -o pids x', PIDS)}; } || { ${on('mount -t cgroup2 x', PIDS)}; }`,
    'remount the root writable': 'mount -o remount,rw /',
    'remount /proc/sys writable': 'mount -o remount,rw /proc/sys || mount -o remount,rw /proc',
    'remount /sys writable': 'mount -o remount,rw /sys',
    'move its own root below another': 'mount --make-rshared /',
  }),
  ...attempts(plain, {
    'install a program': 'touch /usr/local/bin/x',
    'write to the root directory': 'touch /x',
    'replace a shared library': 'test -n "$(find /usr/lib -name "libc.so.6" -writable)"',
  }),
  ...writes(plain, [
    '/etc/passwd',
    '/etc/hosts',
    '/etc/resolv.conf',
    '/usr/bin/env',
    '/root/.profile',
  ]),
]
