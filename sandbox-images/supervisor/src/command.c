#define _GNU_SOURCE
#include "command.h"
#include "command-io.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct ends {
  int ours[3];
  int theirs[3];
};

static void close_all(const int *fds) {
  for (int i = 0; i < 3; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static int failed(struct command *c, int stage, int number) {
  c->failed_stage = stage;
  c->failed_number = number;
  return 0;
}

static int open_terminal(struct command *c, const struct exec_request *request, struct ends *e) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0) return failed(c, ERROR_SPAWN, errno);
  e->ours[1] = master;
  struct winsize size = {.ws_row = request->rows, .ws_col = request->columns};
  int unlocked = 0;
  char name[32];
  if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ptsname_r(master, name, sizeof name) != 0)
    return failed(c, ERROR_SPAWN, errno);
  int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed(c, ERROR_SPAWN, errno);
  ioctl(slave, TIOCSWINSZ, &size);
  e->theirs[0] = slave;
  e->theirs[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
  e->theirs[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
  e->ours[0] = fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (e->theirs[1] < 0 || e->theirs[2] < 0 || e->ours[0] < 0) return failed(c, ERROR_SPAWN, errno);
  return 1;
}

static int open_pipes(struct command *c, struct ends *e) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  int made = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0;
  int number = errno;
  *e = (struct ends){{in[1], out[0], err[0]}, {in[0], out[1], err[1]}};
  if (!made) return failed(c, ERROR_SPAWN, number);
  for (int i = 0; i < 3; i++) fcntl(e->ours[i], F_SETFL, O_NONBLOCK);
  /* Larger pipes mean fewer turns between the command and the supervisor. Best effort: the
   * kernel may refuse it to this user. */
  fcntl(out[0], F_SETPIPE_SZ, 4 * DATA_MAX);
  if (!(c->flags & EXEC_STDIN)) {
    /* A pipe nobody can write to reads as an empty file and needs no /dev/null in the image. */
    close(in[1]);
    e->ours[0] = -1;
  }
  return 1;
}

static void init(struct command *c, const struct exec_request *request, int64_t now_us) {
  c->flags = request->flags;
  c->warden = CREW_NOBODY;
  c->input_fd = -1;
  c->started_us = now_us;
  c->deadline_ms = request->timeout_ms ? now_us / 1000 + request->timeout_ms : 0;
  c->output_limit = request->output_limit;
  c->memory_kills = memory_kills();
  ring_init(&c->input, INPUT_WINDOW);
  for (int i = 0; i < 2; i++) {
    c->outputs[i].fd = -1;
    ring_init(&c->outputs[i].ring, OUTPUT_WINDOW);
  }
}

void command_start(struct command *c, const struct exec_request *request, int slot,
                   int64_t now_us) {
  init(c, request, now_us);
  struct ends e = {{-1, -1, -1}, {-1, -1, -1}};
  int opened = c->flags & EXEC_PTY ? open_terminal(c, request, &e) : open_pipes(c, &e);
  if (opened) {
    struct launch l = {request->cwd,   request->argv, request->envp,
                       e.theirs[0],    e.theirs[1],   e.theirs[2],
                       !!(c->flags & EXEC_PTY), !!(c->flags & EXEC_KEEP_DESCENDANTS)};
    c->warden = crew_start(&l, slot, now_us / 1000);
    if (c->warden == CREW_NOBODY) opened = failed(c, ERROR_SPAWN, errno);
  }
  close_all(e.theirs);
  if (!opened) {
    close_all(e.ours);
    return;
  }
  c->input_fd = e.ours[0];
  c->outputs[0].fd = e.ours[1];
  c->outputs[1].fd = e.ours[2];
}

void command_note(struct command *c, const struct note *n, int64_t now_us) {
  if (n->kind == NOTE_STARTED) {
    c->started = n->first;
  } else if (n->kind == NOTE_FAILED) {
    failed(c, n->first, n->second);
  } else {
    c->exited = 1;
    c->exit = *n;
    c->ended_us = now_us;
    /* The warden is killing what is left already; this puts a deadline on it. */
    int ends_alone = n->alone || c->flags & EXEC_KEEP_DESCENDANTS;
    if (!ends_alone) crew_kill(c->warden, now_us / 1000);
  }
}

void command_gone(struct command *c, int lost, int64_t now_us) {
  c->gone = 1;
  c->warden = CREW_NOBODY;
  if (lost) c->exit_flags |= EXITED_LOST;
  if (c->exited || c->failed_stage) return;
  /* Nobody saw the command end, because the one who would have was killed with it. */
  c->exited = 1;
  c->exit = (struct note){.kind = NOTE_EXITED, .second = 9};
  c->ended_us = now_us;
}

int command_input_end(struct command *c, uint64_t offset) {
  if (!(c->flags & EXEC_STDIN) || c->input_ended || offset != c->input.end) return 0;
  c->input_ended = 1;
  command_push_input(c);
  return 1;
}

int command_resize(struct command *c, uint16_t rows, uint16_t columns) {
  if (!(c->flags & EXEC_PTY)) return 0;
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  if (c->outputs[0].fd >= 0) ioctl(c->outputs[0].fd, TIOCSWINSZ, &size);
  return 1;
}

int command_credit(struct command *c, int stream, uint64_t offset) {
  struct output *output = &c->outputs[stream - 1];
  if (c->paused || offset > output->sent) return 0;
  return ring_ack(&output->ring, offset);
}

int command_resume(struct command *c, uint64_t stdout_offset, uint64_t stderr_offset) {
  if (!c->paused) return 0;
  if (!ring_ack(&c->outputs[0].ring, stdout_offset)) return 0;
  if (!ring_ack(&c->outputs[1].ring, stderr_offset)) return 0;
  c->outputs[0].sent = stdout_offset;
  c->outputs[1].sent = stderr_offset;
  c->input_credited = 0;
  c->paused = 0;
  c->told_started = 0;
  c->told_end = 0;
  return 1;
}

void command_kill(struct command *c, uint8_t reason, int64_t now_ms) {
  if (!c->exited && !c->failed_stage) c->exit_flags |= reason;
  if (c->warden != CREW_NOBODY) crew_kill(c->warden, now_ms);
}

int command_tick(struct command *c, int64_t now_ms) {
  if (!c->deadline_ms || c->exited || c->failed_stage) return -1;
  if (now_ms < c->deadline_ms) return (int)(c->deadline_ms - now_ms);
  c->deadline_ms = 0;
  command_kill(c, EXITED_TIMED_OUT, now_ms);
  return -1;
}

void command_free(struct command *c) {
  if (c->warden != CREW_NOBODY) crew_forget(c->warden);
  if (c->input_fd >= 0) close(c->input_fd);
  for (int i = 0; i < 2; i++) {
    if (c->outputs[i].fd >= 0) close(c->outputs[i].fd);
    ring_free(&c->outputs[i].ring);
  }
  ring_free(&c->input);
}
