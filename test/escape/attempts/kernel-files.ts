/** What /proc and /sys tell of the host, and what can be set there. */
import { type Attempt, attempts, reads, writes } from '../attempt.ts'

const kind = { class: 'kernel files' } as const

/** Not through a mount as it is: a careless container may first make it writable. */
const sysWrites = (paths: readonly string[]): Attempt[] =>
  attempts(
    { ...kind, control: 'careless', wall: 'kernel_ro' },
    Object.fromEntries(
      paths.map((path) => [
        `set ${path}`,
        `{ test -e ${path} || ! echo ABSENT; } && { mount -o remount,rw /sys; (: >> ${path}); } 2>/dev/null`,
      ]),
    ),
  )

export const KERNEL_FILE_ATTEMPTS: readonly Attempt[] = [
  ...reads({ ...kind, control: 'plain', wall: 'masked' }, [
    '/proc/cmdline',
    '/proc/partitions',
    '/proc/diskstats',
    '/proc/interrupts',
    '/proc/modules',
    '/proc/kallsyms',
    '/sys/devices/virtual/dmi/id/product_name',
  ]),
  ...reads({ ...kind, control: 'careless', wall: 'masked' }, [
    '/proc/kcore',
    '/proc/keys',
    '/proc/timer_list',
    '/proc/config.gz',
    '/proc/sched_debug',
    '/proc/latency_stats',
    '/proc/scsi/scsi',
    '/sys/firmware/acpi/tables/FACP',
  ]),
  ...reads({ ...kind, control: 'plain', wall: 'user' }, [
    '/proc/slabinfo',
    '/proc/vmallocinfo',
    '/proc/pagetypeinfo',
  ]),
  ...writes({ ...kind, control: 'careless', wall: 'kernel_ro' }, [
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/modprobe',
    '/proc/sys/kernel/sysrq',
    '/proc/sys/kernel/domainname',
    '/proc/sys/kernel/randomize_va_space',
    '/proc/sys/kernel/yama/ptrace_scope',
    '/proc/sys/vm/overcommit_memory',
    '/proc/sys/vm/drop_caches',
    '/proc/sys/vm/panic_on_oom',
    '/proc/sys/fs/suid_dumpable',
    '/proc/sys/fs/binfmt_misc/register',
    '/proc/sys/net/ipv4/ip_forward',
    '/proc/sysrq-trigger',
    '/proc/irq/default_smp_affinity',
  ]),
  ...sysWrites([
    '/sys/kernel/uevent_helper',
    '/sys/kernel/mm/transparent_hugepage/enabled',
    '/sys/module/kernel/parameters/panic',
    '/sys/power/state',
  ]),
]
