#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Less room than this in a batch is not worth a frame. */
enum { BULK_MIN = 4096 };

void connection_init(struct connection *c, uint32_t channel, int fd) {
  memset(c, 0, sizeof *c);
  c->channel = channel;
  c->fd = fd;
  c->window = DOOR_WINDOW;
  ring_init(&c->input, DOOR_INPUT_WINDOW);
}

void connection_refuse(int fd) {
  struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

static void finish(struct connection *c) {
  close(c->fd);
  c->fd = -1;
  ring_free(&c->input);
}

void connection_reset(struct connection *c) {
  if (c->fd < 0) return;
  connection_refuse(c->fd);
  c->fd = -1;
  c->failed = 1;
  ring_free(&c->input);
}

static int drained(const struct connection *c) { return c->input.base == c->input.end; }

static void push(struct connection *c) {
  const uint8_t *at;
  size_t have;
  while ((have = ring_peek(&c->input, c->input.base, &at)) > 0) {
    ssize_t wrote = send(c->fd, at, have, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) return;
    if (wrote < 0) return connection_reset(c);
    ring_ack(&c->input, c->input.base + (uint64_t)wrote);
  }
  if (!c->input_ended || c->shut) return;
  shutdown(c->fd, SHUT_WR);
  c->shut = 1;
}

int connection_take(struct connection *c, uint64_t offset, const uint8_t *bytes, size_t length) {
  if (c->closing || c->input_ended) return 0;
  /* It has ended here; the orchestrator had not heard of it yet. */
  if (c->fd < 0) return 1;
  if (offset != c->input.end || length > DOOR_INPUT_WINDOW - (c->input.end - c->input_credited)) return 0;
  if (ring_put(&c->input, bytes, length)) push(c);
  else connection_reset(c); /* no memory */
  return 1;
}

int connection_end(struct connection *c, uint64_t total) {
  if (c->closing || c->input_ended) return 0;
  c->input_ended = 1;
  if (c->fd < 0) return 1;
  if (total != c->input.end) return 0;
  push(c);
  return 1;
}

int connection_credit(struct connection *c, uint64_t offset) {
  if (c->closing || offset < c->credited || offset > c->sent) return 0;
  c->credited = offset;
  return 1;
}

int connection_close(struct connection *c) {
  if (c->closing) return 0;
  c->closing = 1;
  if (!c->input_ended) connection_reset(c);
  return 1;
}

static size_t window(const struct connection *c) {
  size_t under_way = (size_t)(c->sent - c->credited);
  return c->window > under_way ? c->window - under_way : 0;
}

static int reads(const struct connection *c) {
  return c->fd >= 0 && !c->read_ended && !c->closing && window(c) > 0;
}

/* A socket that is not wanted for anything is not asked about: one whose both ends are shut would
 * answer at once, for ever. */
short connection_events(const struct connection *c) {
  short events = 0;
  if (reads(c) && !c->readable) events |= POLLIN;
  if (c->fd >= 0 && !drained(c)) events |= POLLOUT;
  return events;
}

void connection_move(struct connection *c, short events) {
  if (c->fd < 0) return;
  if (events & (POLLIN | POLLERR | POLLHUP)) c->readable = 1;
  if (events & (POLLOUT | POLLERR | POLLHUP)) push(c);
}

static int say_number(struct connection *c, struct out *o, uint8_t type, uint64_t number) {
  uint8_t *at = out_frame(o, (struct frame_head){type, 0, c->channel}, 8, NULL, 0);
  if (at) put_u64(at, number);
  return at != NULL;
}

static int say_credit(struct connection *c, struct out *o) {
  uint64_t due = c->input.base - c->input_credited;
  /* Not sooner, also when all is taken: who has used up its window is owed more than that. */
  if (due < DOOR_INPUT_STEP) return 1;
  if (!say_number(c, o, FRAME_DOOR_TAKEN, c->input.base)) return 0;
  c->input_credited = c->input.base;
  return 1;
}

/* One frame a batch, so that no connection keeps the others waiting. */
static int say_bytes(struct connection *c, struct out *o) {
  if (!c->readable || !reads(c)) return 1;
  size_t room = DATA_MAX - o->bulk_used;
  if (room < BULK_MIN || !out_room(o, 8)) return 0;
  if (room > window(c)) room = window(c);
  uint8_t *into = o->bulk + o->bulk_used;
  ssize_t got = recv(c->fd, into, room, MSG_DONTWAIT);
  c->readable = got == (ssize_t)room || (got < 0 && errno == EINTR);
  if (got < 0 && errno != EAGAIN && errno != EINTR) connection_reset(c);
  if (got == 0) c->read_ended = 1;
  if (got <= 0) return 1;
  struct frame_head head = {FRAME_DOOR_GIVES, 0, c->channel};
  uint8_t *at = out_frame(o, head, 8, into, (size_t)got);
  put_u64(at, c->sent);
  c->sent += (uint64_t)got;
  o->bulk_used += (size_t)got;
  return 1;
}

static int say_end(struct connection *c, struct out *o) {
  if (!c->read_ended || c->told_end || c->closing || c->failed) return 1;
  c->told_end = say_number(c, o, FRAME_DOOR_ENDED, c->sent);
  return c->told_end;
}

static int say_closed(struct connection *c, struct out *o) {
  if (c->fd >= 0 || c->told_closed) return 1;
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_DOOR_CLOSED, 0, c->channel}, 4, NULL, 0);
  if (!at) return 0;
  put_u32(at, (uint32_t)c->failed);
  c->told_closed = 1;
  return 1;
}

int connection_tell(struct connection *c, struct out *o) {
  if (!out_frame(o, (struct frame_head){FRAME_DOOR_OPENED, 0, c->channel}, 0, NULL, 0)) return 0;
  c->told_open = 1;
  return 1;
}

int connection_compose(struct connection *c, struct out *o) {
  if (c->fd >= 0 && (!say_credit(c, o) || !say_bytes(c, o) || !say_end(c, o))) return 0;
  /* With the last word of both, or of an orchestrator that has ended its direction and wants no
   * more of the other, the client has everything and the socket is done. */
  if (c->fd >= 0 && c->shut && (c->told_end || c->closing)) finish(c);
  return say_closed(c, o);
}

int connection_over(const struct connection *c) { return c->told_closed && c->closing; }

void connection_free(struct connection *c) {
  if (c->fd >= 0) connection_refuse(c->fd);
  ring_free(&c->input);
  memset(c, 0, sizeof *c);
}
