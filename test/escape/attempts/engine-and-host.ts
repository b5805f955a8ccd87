/** The engine that is root on the host, the host's own files, processes and memory. */
import { type Attempt, attempts } from '../attempt.ts'

const careless = { class: 'engine and host', control: 'careless', wall: 'mounts' } as const
const host = { class: 'engine and host', control: 'host', wall: 'namespaces' } as const

export const HOST_ATTEMPTS: readonly Attempt[] = [
  ...attempts(careless, {
    'find the socket of the engine':
      'test -n "$(find / -xdev -name docker.sock 2>/dev/null)" || test -S /var/run/docker.sock',
    'talk to the engine':
      'curl -sf --max-time 2 --unix-socket /var/run/docker.sock http://x/_ping >/dev/null',
    'list containers through the engine':
      'curl -sf --max-time 5 --unix-socket /var/run/docker.sock http://x/containers/json | grep -q Id',
    'read a file of the host': 'grep -rqs "$MARKER" /host-marker',
  }),
  ...attempts(host, {
    'see a process of the host': 'test "$(cat /proc/$HOST_PID/comm 2>/dev/null)" = "$HOST_COMM"',
    'signal a process of the host': 'kill -0 "$HOST_PID" 2>/dev/null',
    'read the environment of a process of the host': 'grep -qs PATH= "/proc/$HOST_PID/environ"',
    'reach the root of a process of the host':
      'test -e "/proc/$HOST_PID/root$MARKER_FILE" 2>/dev/null',
    'enter the mounts of the host': 'nsenter -t "$HOST_PID" -m test -e "$MARKER_FILE" 2>/dev/null',
    'see the shared memory of the host': 'test -e "/dev/shm/$MARKER"',
    'see the mounts of the host': 'grep -qs " / / " "/proc/$HOST_PID/mountinfo"',
  }),
]
