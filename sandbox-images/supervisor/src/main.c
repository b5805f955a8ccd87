/* PID 1 of a sandbox. It talks to the orchestrator over its stdin and stdout and to nobody else,
 * keeps nothing without a bound, and ends only when it is told to, when the orchestrator breaks
 * the protocol, or when no orchestrator has been heard of for as long as agreed. */
#define _GNU_SOURCE
#include "clock.h"
#include "crew.h"
#include "path.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STDIN = 0, STDOUT = 1, STDERR = 2, SIZE_WANTED = 1024 * 1024, END_WAIT_MS = 3000 };

static struct decoder decoder;
static struct out out;
static int signals;
static int input_open = 1;

static void say(const char *what, const char *detail) {
  const char *parts[] = {"supervisor: ", what, detail ? ": " : "", detail ? detail : "", "\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (write(STDERR, parts[i], strlen(parts[i])) < 0) return;
}

/* As PID 1 the kernel kills the rest of the sandbox the moment this process ends. Elsewhere it
 * has to be done by hand. */
static void end(int status) {
  int64_t until = clock_us() / 1000 + END_WAIT_MS;
  while (getpid() != 1 && crew_count() > 0 && clock_us() / 1000 < until) {
    crew_kill_all(clock_us() / 1000);
    crew_reap();
    crew_tick(clock_us() / 1000);
    poll(NULL, 0, 1);
  }
  _exit(status);
}

static void take_signals(void) {
  struct signalfd_siginfo got[16];
  ssize_t size = read(signals, got, sizeof got);
  for (ssize_t i = 0; i * (ssize_t)sizeof *got < size; i++) {
    /* Anyone inside may send a signal; from outside it comes from process 0 of this namespace. */
    int outside = got[i].ssi_pid == 0 || getpid() != 1;
    if (got[i].ssi_signo == SIGTERM && outside) end(STATUS_OK);
  }
  crew_reap();
}

static void take_input(int64_t now_us) {
  size_t room;
  uint8_t *into = decoder_space(&decoder, &room);
  if (!into) end(STATUS_SYSTEM);
  ssize_t got = read(STDIN, into, room);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    input_open = 0;
    return;
  }
  decoder_received(&decoder, (size_t)got);
  enum verdict verdict = session_obey(&decoder, now_us);
  if (verdict == VERDICT_VIOLATION) say("protocol violation", session_violation());
  if (verdict == VERDICT_VIOLATION) end(STATUS_VIOLATION);
  if (verdict == VERDICT_SHUTDOWN) end(STATUS_OK);
}

/* Returns whether the pipe is full. */
static int speak(void) {
  if (session_must_greet()) out_drop(&out);
  for (;;) {
    if (out_empty(&out)) session_compose(&out);
    if (out_empty(&out)) return 0;
    int wrote = out_write(&out, STDOUT);
    if (wrote == 0) return 1;
    if (wrote > 0) continue;
    session_detach();
    out_drop(&out);
    return 0;
  }
}

static int soonest(int a, int b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

static void run(void) {
  static struct pollfd polled[3 + CREW_MAX + SESSION_POLLS_MAX];
  int64_t heard_us = clock_us();
  for (;;) {
    int64_t now = clock_us();
    /* Deadlines of commands first: they give kill orders, which have deadlines of their own. */
    int wait = session_tick(now);
    wait = soonest(wait, crew_tick(now / 1000));
    uint32_t orphan_ms = session_orphan_ms();
    int64_t silence_ms = (now - heard_us) / 1000;
    wait = soonest(wait, session_silence(silence_ms));
    int full = speak();
    if (orphan_ms && silence_ms >= orphan_ms) end(STATUS_ORPHANED);
    if (orphan_ms) wait = soonest(wait, (int)(orphan_ms - silence_ms));
    polled[0] = (struct pollfd){signals, POLLIN, 0};
    polled[1] = (struct pollfd){input_open ? STDIN : -1, POLLIN, 0};
    polled[2] = (struct pollfd){full ? STDOUT : -1, POLLOUT, 0};
    size_t crew = crew_poll(polled + 3);
    size_t count = session_poll(polled + 3 + crew);
    if (poll(polled, 3 + crew + count, wait) < 0 && errno != EINTR) end(STATUS_SYSTEM);
    now = clock_us();
    crew_hear(polled + 3, crew);
    if (polled[0].revents) take_signals();
    session_move(polled + 3 + crew, count, now);
    if (polled[1].revents) {
      heard_us = now;
      take_input(now);
    }
  }
}

static void prepare(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&all);
  sigaddset(&all, SIGCHLD);
  sigaddset(&all, SIGTERM);
  signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) _exit(STATUS_SYSTEM);
  /* Code of the same user must not trace the one process that speaks for the sandbox. */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (int fd = STDIN; fd <= STDERR; fd++) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(STDIN, F_SETPIPE_SZ, SIZE_WANTED);
  fcntl(STDOUT, F_SETPIPE_SZ, SIZE_WANTED);
}

static int add_roots(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i += 2)
    if (strcmp(argv[i], "--root") != 0 || !path_add_root(argv[i + 1])) return 0;
  if (argc % 2 == 0) return 0;
  if (argc > 1) return 1;
  const char *home = getenv("HOME");
  path_add_root("/workspace");
  path_add_root("/tmp");
  if (home) path_add_root(home);
  return 1;
}

int main(int argc, char **argv) {
  if (!add_roots(argc, argv)) {
    say("usage: supervisor [--root DIRECTORY]…", NULL);
    return STATUS_USAGE;
  }
  prepare();
  session_init();
  run();
}
