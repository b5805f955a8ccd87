#define _GNU_SOURCE
#include "command-io.h"
#include "memory.h"

#include <errno.h>
#include <unistd.h>

enum { END_OF_TRANSMISSION = 4 /* what a terminal reads as the end of its input */ };

static void close_input(struct command *c) {
  if (c->input_fd >= 0) close(c->input_fd);
  c->input_fd = -1;
  /* Nobody will read it; the orchestrator gets its credit back all the same. */
  ring_ack(&c->input, c->input.end);
}

/* A terminal that has no foreground process yet would swallow an interrupt. */
static int takes_input(const struct command *c) {
  return c->input_fd >= 0 && (c->started || !(c->flags & EXEC_PTY));
}

void command_push_input(struct command *c) {
  const uint8_t *at;
  size_t have;
  if (!takes_input(c)) return;
  while (c->input_fd >= 0 && (have = ring_peek(&c->input, c->input.base, &at)) > 0) {
    ssize_t wrote = write(c->input_fd, at, have);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) return;
    if (wrote < 0) {
      close_input(c);
      return;
    }
    ring_ack(&c->input, c->input.base + (uint64_t)wrote);
  }
  if (!c->input_ended || c->input_fd < 0) return;
  if (c->flags & EXEC_PTY) {
    const uint8_t end = END_OF_TRANSMISSION;
    if (write(c->input_fd, &end, 1) < 0 && errno == EAGAIN) return;
  }
  close_input(c);
}

int command_input(struct command *c, uint64_t offset, const uint8_t *bytes, size_t length) {
  if (!(c->flags & EXEC_STDIN) || c->input_ended || offset != c->input.end) return 0;
  if (!ring_put(&c->input, bytes, length)) return 0;
  if (c->input_fd < 0) close_input(c);
  else command_push_input(c);
  return 1;
}

static void close_output(struct output *output) {
  if (output->fd >= 0) close(output->fd);
  output->fd = -1;
}

/* How much may still be captured; the byte after it is what breaks the limit. */
static uint64_t allowance(const struct command *c) {
  uint64_t captured = c->outputs[0].ring.end + c->outputs[1].ring.end;
  if (c->output_limit == 0) return UINT64_MAX;
  return c->output_limit > captured ? c->output_limit - captured : 0;
}

static void exceed(struct command *c, int64_t now_ms) {
  close_output(&c->outputs[0]);
  close_output(&c->outputs[1]);
  command_kill(c, EXITED_OUTPUT_LIMIT, now_ms);
  /* The command may have ended by itself meanwhile; its output was too much all the same. */
  c->exit_flags |= EXITED_OUTPUT_LIMIT;
}

/* Reads once. Returns 1 when there may be more. */
static int pull(struct command *c, struct output *output, int64_t now_ms) {
  size_t room;
  uint8_t spare, *into = ring_space(&output->ring, &room);
  uint64_t allowed = allowance(c);
  if (output->fd < 0 || !into) return 0;
  if (allowed == 0) {
    into = &spare;
    room = 1;
  } else if (room > allowed) {
    room = (size_t)allowed;
  }
  ssize_t got = read(output->fd, into, room);
  if (got < 0 && errno == EINTR) return 1;
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) close_output(output); /* a terminal whose last user is gone answers EIO */
  else if (allowed == 0) exceed(c, now_ms);
  else ring_commit(&output->ring, (size_t)got);
  return got > 0;
}

static int has_room(const struct ring *r) { return r->end - r->base < r->capacity; }

size_t command_poll(const struct command *c, struct pollfd *into) {
  size_t count = 0;
  for (int i = 0; i < 2; i++)
    if (c->outputs[i].fd >= 0 && has_room(&c->outputs[i].ring))
      into[count++] = (struct pollfd){c->outputs[i].fd, POLLIN, 0};
  /* A terminal's hang-up shows on its output; asking here as well would only spin. */
  int waiting = c->input.end != c->input.base || c->input_ended;
  if (takes_input(c) && (waiting || !(c->flags & EXEC_PTY)))
    into[count++] = (struct pollfd){c->input_fd, waiting ? POLLOUT : 0, 0};
  return count;
}

void command_move(struct command *c, const struct pollfd *polled, size_t count, int64_t now_ms) {
  for (size_t p = 0; p < count; p++) {
    if (!polled[p].revents) continue;
    for (int i = 0; i < 2; i++)
      if (polled[p].fd == c->outputs[i].fd) pull(c, &c->outputs[i], now_ms);
    if (polled[p].fd != c->input_fd) continue;
    if (polled[p].revents & POLLOUT) command_push_input(c);
    else close_input(c);
  }
}

/* The command and, unless they may stay, its descendants are gone: no byte can follow those that
 * are in the pipes already. */
static int finished(const struct command *c) {
  if (c->failed_stage) return c->gone || c->warden == CREW_NOBODY;
  return c->exited && (c->gone || (c->flags & EXEC_KEEP_DESCENDANTS));
}

void command_settle(struct command *c, int64_t now_ms) {
  if (!finished(c)) return;
  close_input(c);
  for (int i = 0; i < 2; i++) {
    struct output *output = &c->outputs[i];
    while (pull(c, output, now_ms)) continue;
    if (has_room(&output->ring)) close_output(output);
  }
}

static int all_said(const struct command *c) {
  for (int i = 0; i < 2; i++)
    if (c->outputs[i].fd >= 0 || c->outputs[i].sent != c->outputs[i].ring.end) return 0;
  return finished(c);
}

static int say_end(struct command *c, struct out *o) {
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_EXITED, 0, c->channel}, 56, NULL, 0);
  if (!at) return 0;
  if (memory_kills() > c->memory_kills) c->exit_flags |= EXITED_OUT_OF_MEMORY;
  put_u32(at, (uint32_t)c->exit_flags << 24 | (uint32_t)(c->exit.second & 0xff) << 16);
  put_u32(at + 4, (uint32_t)c->exit.first);
  put_u64(at + 8, (uint64_t)(c->ended_us - c->started_us));
  put_u64(at + 16, c->exit.user_us);
  put_u64(at + 24, c->exit.system_us);
  put_u64(at + 32, c->exit.resident_bytes_max);
  put_u64(at + 40, c->outputs[0].ring.end);
  put_u64(at + 48, c->outputs[1].ring.end);
  return 1;
}

static int say_data(struct command *c, struct out *o) {
  for (int i = 0; i < 2; i++) {
    struct output *output = &c->outputs[i];
    const uint8_t *bytes;
    size_t have;
    while ((have = ring_peek(&output->ring, output->sent, &bytes)) > 0) {
      if (have > DATA_MAX) have = DATA_MAX;
      struct frame_head head = {FRAME_DATA, (uint8_t)(i + 1), c->channel};
      uint8_t *at = out_frame(o, head, 8, bytes, have);
      if (!at) return 0;
      put_u64(at, output->sent);
      output->sent += have;
    }
  }
  return 1;
}

static int say_credit(struct command *c, struct out *o) {
  uint64_t due = c->input.base - c->input_credited;
  /* Not sooner, also when all is taken: who has used up its window is owed more than that. */
  if (due < INPUT_WINDOW / 4) return 1;
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_INPUT_CREDIT, 0, c->channel}, 8, NULL, 0);
  if (!at) return 0;
  put_u64(at, c->input.base);
  c->input_credited = c->input.base;
  return 1;
}

int command_compose(struct command *c, struct out *o) {
  if (c->paused || c->told_end) return 1;
  if (!c->started && !c->failed_stage && !c->exited) return 1;
  if (c->started && !c->told_started) {
    uint8_t *at = out_frame(o, (struct frame_head){FRAME_STARTED, 0, c->channel}, 4, NULL, 0);
    if (!at) return 0;
    put_u32(at, (uint32_t)c->started);
    c->told_started = 1;
  }
  if (!say_credit(c, o) || !say_data(c, o)) return 0;
  if (!all_said(c)) return 1;
  int said = c->failed_stage
                 ? out_error(o, c->channel, c->failed_stage, c->failed_number)
                 : say_end(c, o);
  if (said) c->told_end = 1;
  return said;
}

int command_over(const struct command *c) { return c->told_end; }
