/**
 * The system calls a sandbox may make, as data: one group per purpose, one sentence why each group
 * is there. Everything that is not named is refused, so a call of a future kernel is refused too.
 *
 * The list holds only what a container without privileges gets from a stock engine, and less of it.
 * Names an engine or an architecture does not know are skipped by it, so one table serves all.
 */

export interface SyscallGroup {
  name: string
  reason: string
  syscalls: readonly string[]
}

export const ALLOWED_SYSCALLS: readonly SyscallGroup[] = [
  {
    name: 'files',
    reason: 'Open, read, write and describe files; the mounts decide which',
    syscalls: words(`
      access close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
      fadvise64_64 fallocate fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64
      fsync ftruncate ftruncate64 ioctl _llseek lseek lstat lstat64 newfstatat open openat openat2
      pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64
      splice stat stat64 statfs statfs64 statx sync sync_file_range syncfs tee truncate truncate64
      write writev`),
  },
  {
    name: 'directories',
    reason: 'Make, list, move and remove names; umask and working directory',
    syscalls: words(`
      chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat readlink readlinkat rename
      renameat renameat2 rmdir symlink symlinkat umask unlink unlinkat`),
  },
  {
    name: 'attributes',
    reason: 'Owner, mode, times and extended attributes, without any privilege to back them',
    syscalls: words(`
      chmod chown chown32 fchmod fchmodat fchmodat2 fchown fchown32 fchownat fgetxattr flistxattr
      fremovexattr fsetxattr futimesat getxattr getxattrat lchown lchown32 lgetxattr listxattr
      listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat
      utime utimensat utimensat_time64 utimes`),
  },
  {
    name: 'memory',
    reason: 'Heap, mappings and memory files; bounded by the memory limit',
    syscalls: words(`
      brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap
      mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect`),
  },
  {
    name: 'processes',
    reason: 'Start, wait for and end own processes; bounded by the process limit',
    syscalls: words(`
      execve execveat exit exit_group fork getpgid getpgrp getpid getppid getsid gettid pidfd_open
      pidfd_send_signal process_mrelease setpgid setsid vfork wait4 waitid waitpid`),
  },
  {
    name: 'threads',
    reason: 'What every thread library needs: locks, thread-local storage, restartable sequences',
    syscalls: words(`
      arch_prctl futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
      get_thread_area rseq set_robust_list set_thread_area set_tid_address`),
  },
  {
    name: 'identity',
    reason: 'Ask who one is; changes of identity fail without capabilities, but programs try',
    syscalls: words(`
      capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
      getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid
      setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32
      setresuid setresuid32 setreuid setreuid32 setuid setuid32`),
  },
  {
    name: 'self-restriction',
    reason: 'A program may confine itself further',
    syscalls: words(`
      landlock_add_rule landlock_create_ruleset landlock_restrict_self prctl seccomp`),
  },
  {
    name: 'signals',
    reason: 'Send and handle signals among own processes',
    syscalls: words(`
      kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
      rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
      sigaltstack signalfd signalfd4 sigprocmask sigreturn tgkill tkill`),
  },
  {
    name: 'time',
    reason: 'Read clocks, sleep, timers; setting a clock is not here',
    syscalls: words(`
      alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
      clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create
      timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
      timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times`),
  },
  {
    name: 'scheduling and limits',
    reason: 'Priorities, affinity and usage; a limit can only be lowered',
    syscalls: words(`
      getcpu getpriority getrandom getrlimit getrusage ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
      sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
      sched_setattr sched_setparam sched_setscheduler sched_yield setpriority setrlimit sysinfo
      ugetrlimit uname`),
  },
  {
    name: 'events',
    reason: 'Wait for many things at once; watch directories',
    syscalls: words(`
      epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
      inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect poll ppoll
      ppoll_time64 pselect6 pselect6_time64 select`),
  },
  {
    name: 'asynchronous files',
    reason: 'Linux AIO, which databases under test use; io_uring stays out',
    syscalls: words(`
      io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit`),
  },
  {
    name: 'pipes and System V and POSIX messages',
    reason: 'Talk among own processes, inside the private IPC namespace',
    syscalls: words(`
      ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
      mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop
      semtimedop semtimedop_time64 shmat shmctl shmdt shmget`),
  },
  {
    name: 'sockets',
    reason: 'Use sockets; which can be made at all is decided by the family, below',
    syscalls: words(`
      accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
      recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketpair`),
  },
]

/** Allowed only when one argument has one of these values. */
export interface ConditionalSyscall {
  syscalls: readonly string[]
  reason: string
  /** Index of the argument, from 0. */
  argument: number
  /** With a mask only the masked bits are compared. */
  mask: number | undefined
  values: readonly number[]
}

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
const CLONE_NEW_ANY = 0x7e02_0000
const S_IFMT = 0o170000
const S_IFIFO = 0o010000

export const CONDITIONAL_SYSCALLS: readonly ConditionalSyscall[] = [
  {
    syscalls: ['socket'],
    reason: 'Unix, IPv4, IPv6 and netlink; no packet, vsock, kernel-crypto or Bluetooth sockets',
    argument: 0,
    mask: undefined,
    values: [1, 2, 10, 16],
  },
  {
    syscalls: ['clone'],
    reason:
      'Processes and threads, but no namespace: a user namespace would give capabilities back',
    argument: 0,
    mask: CLONE_NEW_ANY,
    values: [0],
  },
  {
    syscalls: ['mknod'],
    reason: 'Named pipes only, no devices',
    argument: 1,
    mask: S_IFMT,
    values: [S_IFIFO],
  },
  {
    syscalls: ['mknodat'],
    reason: 'Named pipes only, no devices',
    argument: 2,
    mask: S_IFMT,
    values: [S_IFIFO],
  },
  {
    syscalls: ['personality'],
    reason: 'Linux, 32-bit Linux, both with UNAME26, and the question which one is set',
    argument: 0,
    mask: undefined,
    values: [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff],
  },
  {
    syscalls: ['prlimit64'],
    reason: 'Own limits only: the supervisor has the same user, and keeps the limits it has',
    argument: 0,
    mask: undefined,
    values: [0],
  },
]

/**
 * Answered "no such call" instead of "not permitted", because callers then fall back to an older
 * way. Each comes before the allowed calls: `socketcall` hides the socket family behind a pointer,
 * and a library that builds the filter opens it beside every rule on `socket` unless told otherwise.
 */
export const ABSENT_SYSCALLS: readonly SyscallGroup[] = [
  {
    name: 'fall back to a call that can be checked',
    reason: 'Their arguments lie behind a pointer, where no filter can look',
    syscalls: ['clone3', 'socketcall'],
  },
  {
    name: 'newer ways that programs probe for',
    reason: 'A program that gets "not permitted" gives up, with "no such call" it goes on',
    syscalls: words(`
      cachestat io_uring_enter io_uring_register io_uring_setup listmount map_shadow_stack
      memfd_secret statmount`),
  },
]

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}
