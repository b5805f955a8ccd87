#define _GNU_SOURCE
#include "warden.h"
#include "process.h"
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* Between two passes over the dying; also how soon a process is found that a pass missed. */
enum { KILL_PASS_MS = 2, DESCRIPTORS_MAX = 1024 };

struct warden {
  int control;
  pid_t command; /* 0 once reaped */
  int keep_descendants;
  int killing;
};

static void close_between(unsigned first, unsigned last) {
  if (first > last) return;
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= last && fd < DESCRIPTORS_MAX; fd++) close((int)fd);
}

/* A warden holds nothing of the supervisor's: neither the pipe to the orchestrator nor an end of
 * another command's streams, which would never end then. */
static void close_others(int *kept, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t j = i + 1; j < count; j++)
      if (kept[j] < kept[i]) {
        int swap = kept[i];
        kept[i] = kept[j];
        kept[j] = swap;
      }
  unsigned from = 0;
  for (size_t i = 0; i < count; i++) {
    if (kept[i] > 0) close_between(from, (unsigned)kept[i] - 1);
    from = (unsigned)kept[i] + 1;
  }
  close_between(from, ~0u);
}

static void tell(const struct warden *w, const struct note *n) {
  while (send(w->control, n, sizeof *n, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

static uint64_t micros(struct timeval t) {
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

static void tell_exited(const struct warden *w, int status, const struct rusage *use, int alone) {
  struct note n = {.kind = NOTE_EXITED, .alone = alone};
  if (WIFSIGNALED(status)) n.second = WTERMSIG(status);
  else n.first = WEXITSTATUS(status);
  n.user_us = micros(use->ru_utime);
  n.system_us = micros(use->ru_stime);
  n.resident_bytes_max = (uint64_t)use->ru_maxrss * 1024u;
  tell(w, &n);
}

/* Reaps all it can; the warden ends where nothing is left to wait for. It says so in the same
 * note where it can: its own end takes the kernel longer than most commands' last words. */
static void reap(struct warden *w) {
  int ended = 0, command_status = 0, status;
  struct rusage command_use, use;
  pid_t pid;
  while ((pid = wait4(-1, &status, WNOHANG, &use)) != 0) {
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) break;
    if (pid != w->command) continue;
    w->command = 0;
    ended = 1;
    command_status = status;
    command_use = use;
    if (!w->keep_descendants) w->killing = 1;
  }
  if (ended) tell_exited(w, command_status, &command_use, pid < 0);
  if (pid < 0) _exit(0);
}

static void obey(struct warden *w) {
  struct order o;
  ssize_t got = recv(w->control, &o, sizeof o, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got != (ssize_t)sizeof o || o.kind == ORDER_KILL) {
    w->killing = 1;
    return;
  }
  if (o.kind == ORDER_SIGNAL && w->command) kill(o.group ? -w->command : w->command, o.signo);
}

static void watch(struct warden *w, int child_events) {
  struct pollfd polled[2] = {{child_events, POLLIN, 0}, {w->control, POLLIN, 0}};
  for (;;) {
    /* While killing, a closed control socket would make poll() spin, so it is left out. */
    poll(polled, w->killing ? 1 : 2, w->killing ? KILL_PASS_MS : -1);
    struct signalfd_siginfo drained[8];
    if (polled[0].revents && read(child_events, drained, sizeof drained) < 0 && errno != EAGAIN)
      _exit(1);
    if (!w->killing && polled[1].revents) obey(w);
    reap(w);
    if (w->killing) {
      if (w->command) kill(-w->command, SIGKILL);
      kill_descendants(getpid(), NULL, 0);
    }
  }
}

void warden_run(const struct launch *l, int control) {
  struct warden w = {control, 0, l->keep_descendants, 0};
  int kept[4] = {control, l->in, l->out, l->err};
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  close_others(kept, 4);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  int child_events = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  struct launched started = child_events < 0 ? (struct launched){0, ERROR_SPAWN, errno} : launch(l);
  close(l->in);
  close(l->out);
  close(l->err);
  struct note n = {.kind = started.pid ? NOTE_STARTED : NOTE_FAILED};
  n.first = started.pid ? started.pid : started.stage;
  n.second = started.number;
  tell(&w, &n);
  if (!started.pid) _exit(0);
  w.command = started.pid;
  watch(&w, child_events);
  abort();
}
