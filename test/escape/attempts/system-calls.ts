/** Doors of the kernel that ordinary programs never use. */
import { type Attempt, attempts, kitAttempts } from '../attempt.ts'

const careless = { class: 'system calls', control: 'careless', wall: 'seccomp' } as const
/** Open in the engine's own profile. */
const plain = { ...careless, control: 'plain' } as const

const NEWUSER = 0x1000_0000

export const SYSTEM_CALL_ATTEMPTS: readonly Attempt[] = [
  ...kitAttempts(careless, {
    'make a user namespace': `unshare ${NEWUSER}`,
    'make a mount namespace': `unshare ${0x0002_0000}`,
    'make a network namespace': `unshare ${0x4000_0000}`,
    'make a process namespace': `unshare ${0x2000_0000}`,
    'make an IPC namespace': `unshare ${0x0800_0000}`,
    'make a host name namespace': `unshare ${0x0400_0000}`,
    'make a control group namespace': `unshare ${0x0200_0000}`,
    'make a user namespace by clone': 'clone-user',
    'make a user namespace by clone3': 'clone3-user',
    'make a user namespace through the 32-bit door': 'unshare-int80',
    'make a user namespace through the x32 door': 'unshare-x32',
    'mount as root of a user namespace': 'mount-as-user',
    'enter a namespace': 'setns',
    'open a file system context': 'fsopen',
    'clone a tree of mounts': 'open-tree',
    'move a mount': 'move-mount',
    'change the flags of a mount': 'mount-setattr',
    'swap the root': 'pivot-root',
    'unmount by call': 'umount',
    'load a BPF map': 'bpf',
    'open a performance counter': 'perf',
    'add a key': 'add-key',
    'request a key': 'request-key',
    'use the keyrings': 'keyctl',
    'handle page faults of the kernel': 'userfaultfd',
    'read the memory of another process': 'read-other',
    'write the memory of another process': 'write-other',
    'advise the memory of another process': 'advise-other',
    'take a descriptor of another process': 'steal-other',
    'compare kernel objects': 'compare-other',
    'get the handle of a file': 'name-to-handle',
    'watch a file system': 'fanotify',
    'switch address randomisation off': 'personality',
    'see the memory policy': 'memory-policy',
    'move pages between nodes': 'move-pages',
    'load a kernel module': 'init-module',
    'load a kernel module from a file': 'finit-module',
    'unload a kernel module': 'delete-module',
    'replace the kernel': 'kexec-load',
    'restart the machine': 'reboot',
    'switch swap off': 'swapoff',
    'switch swap on': 'swapon',
    'get the right to use I/O ports': 'iopl',
    'use one I/O port': 'ioperm',
  }),
  ...kitAttempts(plain, {
    'set up io_uring': 'io-uring',
    'trace another process': 'trace-other',
    'gift pages to a pipe': 'vmsplice',
    'remap pages': 'remap-pages',
    'change the segments of the processor': 'modify-ldt',
  }),
  ...attempts(careless, {
    'make a user namespace with the program for it': 'unshare -Ur true',
    'enter a namespace with the program for it': 'nsenter -t 1 -m true',
  }),
]
