/** What each capability of a machine means for runs, and how to get it: the words of the doctor. */

interface Words {
  meaning: string
  remedy: string | undefined
}

const LIMIT = 'Use an engine with root, or one on control groups v2'

export const CAPABILITY_WORDS = {
  memory_limit: words('A run that takes too much memory is ended; without it no run starts', LIMIT),
  swap_limit: words('The memory limit counts swap as well', 'Boot with swapaccount=1'),
  process_limit: words('A fork bomb ends where it should; without it no run starts', LIMIT),
  cpu_limit: words('A run leaves cpu to others; without it no run starts', LIMIT),
  seccomp: words(
    'System calls beyond the list are refused; without it no run starts',
    'Use a kernel and an engine with seccomp',
  ),
  no_new_privileges: words(
    'No program inside gains privileges; without it no run starts',
    undefined,
  ),
  no_network: words('No packet leaves a sandbox; without it no run starts', undefined),
  read_only_root: words('The system inside cannot be changed; without it no run starts', undefined),
  cgroup_v2: words('Limits are counted by the newer control groups; v1 works as well', undefined),
  apparmor: words('A further wall around each sandbox', undefined),
  selinux: words('A further wall around each sandbox; mounts are not relabelled', undefined),
  user_namespaces: words(
    'Users inside are nobody outside; files of a workspace then belong to another user',
    undefined,
  ),
  rootless: words(
    'The engine runs without root: what leaves a sandbox is not root either',
    undefined,
  ),
  gvisor: words(
    'Runs with `isolation: gvisor` start; without it they are refused',
    'Install gVisor and register its runtime runsc with the engine',
  ),
  local_engine: words(
    'The engine sees the same files; a remote one must see the state directory under the same path',
    'Name a local engine with DOCKER_HOST',
  ),
  overlay_workspaces: words(
    'Workspaces of large trees lie over a checkout they share and are ready at once; else each is written file by file',
    'Run as root, beside the engine, with the state directory on a file system that overlays may use',
  ),
  overlay_volumes: words(
    'A workspace can lie over a checkout that is shared, through the engine and without root',
    'Only speed: other ways are used where it is missing',
  ),
  tmpfs_volume_quota: words('A workspace in memory can have a size that holds', undefined),
  loop_mount: words(
    'A workspace can have a quota that the kernel keeps; else disk limits are watched',
    'Run as root where loop devices exist',
  ),
  copy_on_write_images: words(
    'A container starts without a copy of its image',
    'Use the storage driver overlay2',
  ),
  runc_fixes: words(
    'No known hole of the runtime leads out; sandboxes do not use what the known ones need',
    'Update runc with your distribution',
  ),
  git_fixes: words(
    'No known hole of git runs code of a repository; the host does not use what the known ones need',
    'Update git with your distribution',
  ),
  disk_space: words(
    'There is room for workspaces and results of a few runs',
    'Run `openexec gc`, or put the state directory elsewhere with OPENEXEC_STATE',
  ),
  private_authorities: words(
    'TLS is inspected here, or the site has services of its own: images are built to trust these',
    undefined,
  ),
} as const satisfies Record<string, Words>

export type CapabilityName = keyof typeof CAPABILITY_WORDS

function words(meaning: string, remedy: string | undefined): Words {
  return { meaning, remedy }
}
