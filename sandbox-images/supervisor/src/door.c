#define _GNU_SOURCE
#include "door.h"
#include "errname.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Accepted in one turn at most, and the rest when the system has no descriptor for another. */
enum { ACCEPTS_MAX = 16, BACKLOG = 128, REST_MS = 100, NAME_SIZE = 24 };

static struct {
  int fd; /* -1: never asked for */
  uint16_t port;
  int wanted; /* by the orchestrator that is attached */
  int silent;
  int answer_owed;
  int number; /* errno of why it does not listen */
  int64_t rest_until_ms;
  uint32_t last_id;
  uint32_t told_id; /* the last that was told of: ids grow for the orchestrator, too */
  size_t turn;
  size_t most;
  size_t open;
  size_t polled[DOOR_POLLS_MAX]; /* which connection an entry of the last poll is of */
  struct connection connections[DOOR_CONNECTIONS_MAX];
} door;

void door_init(void) {
  memset(&door, 0, sizeof door);
  door.fd = -1;
  door.last_id = CHANNEL_MAX;
  door.told_id = CHANNEL_MAX;
}

static int listen_on(uint16_t port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  socklen_t size = sizeof at;
  int one = 1;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, BACKLOG) == 0 &&
      getsockname(fd, (struct sockaddr *)&at, &size) == 0) {
    door.port = ntohs(at.sin_port);
    return fd;
  }
  int number = errno;
  close(fd);
  errno = number;
  return -1;
}

void door_listen(uint16_t port, uint16_t connections) {
  door.most = connections ? connections : DOOR_CONNECTIONS_FEW;
  door.answer_owed = 1;
  door.number = 0;
  if (door.fd < 0 || (port && port != door.port)) {
    if (door.fd >= 0) close(door.fd);
    door.fd = listen_on(port);
    if (door.fd < 0) door.number = errno;
  }
  door.wanted = door.fd >= 0;
}

static struct connection *find(uint32_t channel) {
  for (size_t i = 0; i < DOOR_CONNECTIONS_MAX; i++)
    if (door.connections[i].channel == channel) return &door.connections[i];
  return NULL;
}

static int obey(struct connection *c, const struct frame *f) {
  const uint8_t *at = f->payload;
  switch (f->type) {
  case FRAME_DOOR_BYTES: return connection_take(c, get_u64(at), at + 8, f->length - 8);
  case FRAME_DOOR_CREDIT: return connection_credit(c, get_u64(at));
  case FRAME_DOOR_END: return connection_end(c, get_u64(at));
  case FRAME_DOOR_CLOSE: return connection_close(c);
  default: return 0;
  }
}

static void drop(struct connection *c) {
  connection_free(c);
  door.open--;
}

static void free_when_over(struct connection *c) {
  if (connection_over(c)) drop(c);
}

int door_obey(const struct frame *f, const char **reason) {
  struct connection *c = find(f->channel);
  /* One the orchestrator has not been told of is none it could speak of. */
  int fine = c && c->told_open && obey(c, f);
  if (!fine) *reason = c ? "frame does not fit the state of its connection" : "no such connection";
  if (fine) free_when_over(c);
  return fine;
}

void door_forget(void) {
  for (size_t i = 0; i < DOOR_CONNECTIONS_MAX; i++)
    if (door.connections[i].channel) drop(&door.connections[i]);
  door.told_id = door.last_id;
  door.wanted = 0;
  door.answer_owed = 0;
}

void door_silence(int silent) {
  if (silent && !door.silent)
    for (size_t i = 0; i < DOOR_CONNECTIONS_MAX; i++)
      if (door.connections[i].channel) connection_reset(&door.connections[i]);
  door.silent = silent;
}

size_t door_poll(struct pollfd *into) {
  size_t count = 0;
  if (door.fd >= 0 && !door.rest_until_ms) into[count++] = (struct pollfd){door.fd, POLLIN, 0};
  for (size_t i = 0; i < DOOR_CONNECTIONS_MAX; i++) {
    short events = door.connections[i].channel ? connection_events(&door.connections[i]) : 0;
    if (!events) continue;
    door.polled[count] = i;
    into[count++] = (struct pollfd){door.connections[i].fd, events, 0};
  }
  return count;
}

static void welcome(int fd) {
  struct connection *c = find(0);
  int one = 1;
  if (!c || door.open >= door.most || !door.wanted || door.silent || door.last_id == UINT32_MAX)
    return connection_refuse(fd);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  connection_init(c, ++door.last_id, fd);
  door.open++;
}

static void accept_some(int64_t now_ms) {
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    int fd = accept4(door.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) welcome(fd);
    else if (errno == EAGAIN) return;
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      door.rest_until_ms = now_ms + REST_MS;
      return;
    }
  }
}

void door_move(const struct pollfd *polled, size_t count, int64_t now_ms) {
  int knocked = 0;
  for (size_t p = 0; p < count; p++) {
    struct connection *c = &door.connections[door.polled[p]];
    if (!polled[p].revents) continue;
    if (polled[p].fd == door.fd) knocked = 1;
    /* What came in between may have ended it. */
    else if (c->channel && c->fd == polled[p].fd) connection_move(c, polled[p].revents);
  }
  /* Last: a new connection may get the number of one that has just ended. */
  if (knocked) accept_some(now_ms);
}

int door_tick(int64_t now_ms) {
  if (door.rest_until_ms && now_ms >= door.rest_until_ms) door.rest_until_ms = 0;
  return door.rest_until_ms ? (int)(door.rest_until_ms - now_ms) : -1;
}

static int say_listening(struct out *o) {
  char name[NAME_SIZE] = "";
  if (!door.answer_owed) return 1;
  if (door.number) errno_name(door.number, name, sizeof name);
  size_t length = strlen(name);
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_LISTENING, 0, 0}, 2 + length, NULL, 0);
  if (!at) return 0;
  put_u16(at, door.number ? 0 : door.port);
  memcpy(at + 2, name, length);
  door.answer_owed = 0;
  return 1;
}

/* In the order they came, whatever place in the table they have. */
static int say_opened(struct out *o) {
  while (door.told_id != door.last_id) {
    struct connection *c = find(door.told_id + 1);
    if (c && !connection_tell(c, o)) return 0;
    door.told_id++;
  }
  return 1;
}

int door_compose(struct out *o) {
  if (!say_listening(o) || !say_opened(o)) return 0;
  door.turn = (door.turn + 1) % DOOR_CONNECTIONS_MAX;
  /* What waits at the orchestrator is bounded for all of them together. */
  size_t most = door.open > DOOR_CONNECTIONS_FEW ? DOOR_WINDOW_CROWDED : DOOR_WINDOW;
  for (size_t i = 0; i < DOOR_CONNECTIONS_MAX; i++) {
    struct connection *c = &door.connections[(door.turn + i) % DOOR_CONNECTIONS_MAX];
    if (!c->channel) continue;
    c->window = most;
    if (!connection_compose(c, o)) return 0;
    free_when_over(c);
  }
  return 1;
}
