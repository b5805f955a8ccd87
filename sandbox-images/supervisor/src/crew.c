#define _GNU_SOURCE
#include "crew.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A warden that has not ended this long after a kill order is taken for stopped or starved. */
enum { ESCALATE_MS = 500, SWEEP_MS_MIN = 2, SWEEP_MS_MAX = 250 };

struct member {
  pid_t pid; /* 0: free */
  int control;
  int slot;
  int told_exit; /* it has reported how its command ended, or that it never began */
  int lost;      /* reaped, but its descendants may still run */
  int64_t kill_by_ms; /* 0: nobody wants it dead */
};

static struct member crew[CREW_MAX];
static const struct crew_events *tell_owner;

void crew_init(const struct crew_events *events) { tell_owner = events; }

static int free_number(void) {
  for (int i = 0; i < CREW_MAX; i++)
    if (crew[i].pid == 0 && !crew[i].lost) return i;
  errno = EAGAIN;
  return CREW_NOBODY;
}

int crew_start(const struct launch *l, int slot, int64_t now_ms) {
  (void)now_ms;
  int number = free_number();
  int pair[2];
  if (number == CREW_NOBODY) return CREW_NOBODY;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return CREW_NOBODY;
  pid_t pid = fork();
  if (pid == 0) warden_run(l, pair[1]);
  int number_of_error = errno;
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    errno = number_of_error;
    return CREW_NOBODY;
  }
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  crew[number] = (struct member){.pid = pid, .control = pair[0], .slot = slot};
  return number;
}

static void order(const struct member *m, const struct order *o) {
  /* A stopped warden would not hear it. The socket holds far more orders than a client can have
   * outstanding; a full one means a warden that is not running, which the kill deadline covers. */
  kill(m->pid, SIGCONT);
  send(m->control, o, sizeof *o, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void crew_signal(int number, int signo, int group) {
  struct order o = {ORDER_SIGNAL, signo, group};
  if (crew[number].pid) order(&crew[number], &o);
}

void crew_kill(int number, int64_t now_ms) {
  struct order o = {ORDER_KILL, 0, 0};
  struct member *m = &crew[number];
  if (m->pid == 0 || m->kill_by_ms) return;
  m->kill_by_ms = now_ms + ESCALATE_MS;
  order(m, &o);
}

void crew_kill_all(int64_t now_ms) {
  for (int i = 0; i < CREW_MAX; i++) crew_kill(i, now_ms);
}

void crew_forget(int number) { crew[number].slot = CREW_NOBODY; }

int crew_count(void) {
  int count = 0;
  for (int i = 0; i < CREW_MAX; i++) count += crew[i].pid != 0 || crew[i].lost;
  return count;
}

size_t crew_poll(struct pollfd *into) {
  size_t count = 0;
  for (int i = 0; i < CREW_MAX; i++)
    if (crew[i].pid) into[count++] = (struct pollfd){crew[i].control, POLLIN, 0};
  return count;
}

/* A descendant cannot reach the socket, yet a note is believed only in the order that is possible:
 * one about the start, then one about the end. */
static void hear(struct member *m) {
  struct note n;
  while (recv(m->control, &n, sizeof n, MSG_DONTWAIT) == (ssize_t)sizeof n) {
    if (n.kind != NOTE_STARTED) m->told_exit = 1;
    if (m->slot == CREW_NOBODY) continue;
    int slot = m->slot;
    tell_owner->note(slot, &n);
    if (n.kind != NOTE_EXITED || !n.alone) continue;
    /* The command is over; only the warden itself has still to be reaped. */
    m->slot = CREW_NOBODY;
    tell_owner->gone(slot, 0);
  }
}

void crew_hear(const struct pollfd *polled, size_t count) {
  for (size_t p = 0; p < count; p++)
    for (int i = 0; polled[p].revents && i < CREW_MAX; i++)
      if (crew[i].pid && crew[i].control == polled[p].fd) hear(&crew[i]);
}

static void leave(struct member *m, int lost) {
  int slot = m->slot;
  memset(m, 0, sizeof *m);
  if (slot != CREW_NOBODY) tell_owner->gone(slot, lost);
}

static void reaped(struct member *m, int status) {
  hear(m);
  close(m->control);
  m->pid = 0;
  /* A warden that ends by itself has no descendant left; one that was killed leaves them all to
   * the supervisor, which sweeps before it calls the command over. */
  if (WIFEXITED(status) && m->told_exit) leave(m, 0);
  else m->lost = 1;
}

void crew_reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    for (int i = 0; i < CREW_MAX; i++) {
      if (crew[i].pid != pid) continue;
      /* Only a process inside can have stopped it. */
      if (WIFSTOPPED(status)) kill(pid, SIGCONT);
      else reaped(&crew[i], status);
      break;
    }
  }
}

/* Kills every process that descends from no living warden. As PID 1 with no warden left this is
 * everything there is, and one system call that no fork can outrun. */
static int sweep(void) {
  pid_t wardens[CREW_MAX];
  size_t count = 0;
  for (int i = 0; i < CREW_MAX; i++)
    if (crew[i].pid) wardens[count++] = crew[i].pid;
  if (count == 0 && getpid() == 1) {
    kill(-1, SIGKILL);
    crew_reap();
    return waitpid(-1, NULL, WNOHANG) >= 0;
  }
  size_t found = kill_descendants(getpid(), wardens, count);
  crew_reap();
  return found > 0;
}

int crew_tick(int64_t now_ms) {
  static int rest_ms = SWEEP_MS_MIN; /* grows, because some processes die slowly */
  int64_t next = -1;
  int strays = 0;
  for (int i = 0; i < CREW_MAX; i++) {
    struct member *m = &crew[i];
    if (m->pid && m->kill_by_ms) {
      if (now_ms >= m->kill_by_ms) {
        kill(m->pid, SIGKILL);
        m->kill_by_ms = now_ms + ESCALATE_MS;
      }
      if (next < 0 || m->kill_by_ms - now_ms < next) next = m->kill_by_ms - now_ms;
    }
    strays |= m->lost;
  }
  if (!strays) return (int)next;
  if (sweep()) {
    rest_ms = rest_ms * 2 < SWEEP_MS_MAX ? rest_ms * 2 : SWEEP_MS_MAX;
    return rest_ms;
  }
  rest_ms = SWEEP_MS_MIN;
  for (int i = 0; i < CREW_MAX; i++)
    if (crew[i].lost) leave(&crew[i], 1);
  return 0;
}
