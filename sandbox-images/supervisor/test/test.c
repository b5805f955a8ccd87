/* Tests of the parts that need no process: decoder, requests, ring, batch. */
#define _GNU_SOURCE
#include "connection.h"
#include "decode.h"
#include "errname.h"
#include "out.h"
#include "request.h"
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int failures;

#define CHECK(what) \
  do { \
    if (!(what)) { \
      failures++; \
      fprintf(stderr, "test: %s:%d: %s\n", __FILE__, __LINE__, #what); \
    } \
  } while (0)

static const char KEY[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static size_t frame(uint8_t *at, uint8_t type, uint32_t channel, const void *payload, uint32_t n) {
  memset(at, 0, HEADER_SIZE);
  at[0] = type;
  put_u32(at + 4, channel);
  put_u32(at + 8, n);
  if (n) memcpy(at + HEADER_SIZE, payload, n);
  at[HEADER_SIZE + n] = END_BYTE;
  return HEADER_SIZE + n + 1;
}

static void give(struct decoder *d, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    size_t room;
    uint8_t *into = decoder_space(d, &room);
    size_t part = length < room ? length : room;
    CHECK(into && room > 0);
    memcpy(into, bytes, part);
    decoder_received(d, part);
    bytes += part;
    length -= part;
  }
}

static enum decoded ask(struct decoder *d, struct frame *f) { return decoder_next(d, f); }

static void finds_frames_split_at_every_byte(void) {
  uint8_t bytes[512];
  size_t length = KEY_SIZE;
  memcpy(bytes, KEY, KEY_SIZE);
  length += frame(bytes + length, FRAME_PING, 0, "12345678", 8);
  length += frame(bytes + length, FRAME_KILL, 7, NULL, 0);
  for (size_t cut = 0; cut <= length; cut++) {
    struct decoder d = {0};
    struct frame f;
    int frames = 0, attaches = 0;
    for (int half = 0; half < 2; half++) {
      give(&d, half ? bytes + cut : bytes, half ? length - cut : cut);
      for (enum decoded got; (got = ask(&d, &f)) != DECODED_MORE;) {
        CHECK(got != DECODED_VIOLATION);
        if (got == DECODED_VIOLATION) break;
        if (got == DECODED_ATTACH) attaches++;
        else CHECK(f.type == (frames++ ? FRAME_KILL : FRAME_PING));
      }
    }
    CHECK(frames == 2 && attaches == 1);
    decoder_free(&d);
  }
}

/* Wherever the lost orchestrator stopped, and however the new one's bytes arrive. */
static void resynchronises_at_the_key(void) {
  uint8_t torn[128], next[128];
  size_t torn_length = frame(torn, FRAME_INPUT, 3, "\0\0\0\0\0\0\0\0hello", 13);
  memcpy(next, KEY, KEY_SIZE);
  size_t next_length = KEY_SIZE + frame(next + KEY_SIZE, FRAME_KILL, 7, NULL, 0);
  for (size_t stop = 0; stop < torn_length; stop++)
    for (size_t cut = 0; cut <= next_length; cut++) {
      struct decoder d = {0};
      struct frame f;
      give(&d, (const uint8_t *)KEY, KEY_SIZE);
      CHECK(ask(&d, &f) == DECODED_ATTACH);
      give(&d, torn, stop);
      CHECK(ask(&d, &f) == DECODED_MORE);
      give(&d, next, cut);
      int attached = 0, killed = 0;
      for (int half = 0; half < 2; half++) {
        for (enum decoded got; (got = ask(&d, &f)) != DECODED_MORE;) {
          CHECK(got != DECODED_VIOLATION);
          if (got == DECODED_VIOLATION) break;
          attached += got == DECODED_ATTACH;
          killed += got == DECODED_FRAME && f.type == FRAME_KILL && attached == 1;
        }
        if (half == 0) give(&d, next + cut, next_length - cut);
      }
      CHECK(attached == 1 && killed == 1);
      decoder_free(&d);
    }
}

static void refuses(const char *what, const uint8_t *bytes, size_t length) {
  struct decoder d = {0};
  struct frame f;
  give(&d, (const uint8_t *)KEY, KEY_SIZE);
  CHECK(ask(&d, &f) == DECODED_ATTACH);
  give(&d, bytes, length);
  enum decoded got = ask(&d, &f);
  if (got != DECODED_VIOLATION) fprintf(stderr, "test: took %s\n", what);
  CHECK(got == DECODED_VIOLATION && d.reason);
  decoder_free(&d);
}

static void refuses_what_no_orchestrator_sends(void) {
  uint8_t bytes[EXEC_MAX / 16];
  size_t length = frame(bytes, 0x7f, 1, NULL, 0);
  refuses("an unknown type", bytes, length);
  length = frame(bytes, FRAME_HELLO, 0, NULL, 0);
  refuses("a frame of the other direction", bytes, length);
  length = frame(bytes, FRAME_KILL, 0, NULL, 0);
  refuses("a channel frame on the session", bytes, length);
  length = frame(bytes, FRAME_PING, 1, "12345678", 8);
  refuses("a session frame on a channel", bytes, length);
  length = frame(bytes, FRAME_KILL, 0x80000000u, NULL, 0);
  refuses("a channel of the supervisor's", bytes, length);
  length = frame(bytes, FRAME_DOOR_CLOSE, 0x7fffffff, NULL, 0);
  refuses("a connection with a channel of the orchestrator's", bytes, length);
  length = frame(bytes, FRAME_LISTEN, 0x80000000u, "\0\0\0\0", 4);
  refuses("a session frame on a connection", bytes, length);
  length = frame(bytes, FRAME_DOOR_BYTES, 0x80000000u, "12345678", 8);
  refuses("bytes of a connection that are none", bytes, length);
  length = frame(bytes, FRAME_PING, 0, "123", 3);
  refuses("a short frame", bytes, length);
  length = frame(bytes, FRAME_RESUME, 1, "12345678901234567", 17);
  refuses("a long frame", bytes, length);
  length = frame(bytes, FRAME_KILL, 1, NULL, 0);
  bytes[2] = 1;
  refuses("reserved bits", bytes, length);
  length = frame(bytes, FRAME_KILL, 1, NULL, 0);
  bytes[1] = 1;
  refuses("a stream where none is", bytes, length);
  length = frame(bytes, FRAME_KILL, 1, NULL, 0);
  bytes[length - 1] = 'x';
  refuses("a frame without its end", bytes, length);
  put_u32(bytes + 8, 0xffffffffu);
  refuses("a length of 4 GiB", bytes, length);
}

static void refuses_a_first_word_that_is_no_key(void) {
  struct decoder d = {0};
  struct frame f;
  uint8_t key[KEY_SIZE];
  memcpy(key, KEY, KEY_SIZE);
  key[10] = 'G';
  give(&d, key, KEY_SIZE);
  CHECK(ask(&d, &f) == DECODED_VIOLATION);
  decoder_free(&d);
}

static void gives_back_the_memory_of_a_large_frame(void) {
  struct decoder d = {0};
  struct frame f;
  uint8_t *bytes = malloc(EXEC_MAX + HEADER_SIZE + 1), *payload = calloc(1, EXEC_MAX);
  size_t length = frame(bytes, FRAME_EXEC, 1, payload, EXEC_MAX);
  give(&d, (const uint8_t *)KEY, KEY_SIZE);
  CHECK(ask(&d, &f) == DECODED_ATTACH);
  give(&d, bytes, length);
  CHECK(ask(&d, &f) == DECODED_FRAME && f.length == EXEC_MAX);
  size_t room;
  decoder_space(&d, &room);
  CHECK(d.capacity < 2 * DATA_MAX);
  decoder_free(&d);
  free(bytes);
  free(payload);
}

static size_t exec_payload(uint8_t *at, uint32_t argc, uint32_t envc, const char *text, size_t n) {
  memset(at, 0, 28);
  put_u32(at + 20, argc);
  put_u32(at + 24, envc);
  memcpy(at + 28, text, n);
  return 28 + n;
}

static void parses_exec_requests(void) {
  uint8_t bytes[256];
  struct exec_request r;
  static const char TEXT[] = "/work\0ls\0-l\0\0A=1\0B=";
  size_t length = exec_payload(bytes, 3, 2, TEXT, sizeof TEXT);
  CHECK(exec_request_parse(bytes, length, &r));
  CHECK(strcmp(r.cwd, "/work") == 0 && strcmp(r.argv[1], "-l") == 0 && r.argv[2][0] == 0);
  CHECK(r.argv[3] == NULL && strcmp(r.envp[1], "B=") == 0 && r.envp[2] == NULL);
  exec_request_free(&r);
  CHECK(!exec_request_parse(bytes, length - 1, &r));
  CHECK(!exec_request_parse(bytes, exec_payload(bytes, 4, 2, TEXT, sizeof TEXT), &r));
  CHECK(!exec_request_parse(bytes, exec_payload(bytes, 0, 5, TEXT, sizeof TEXT), &r));
  CHECK(!exec_request_parse(bytes, exec_payload(bytes, 0xffffffffu, 6, TEXT, sizeof TEXT), &r));
  CHECK(!exec_request_parse(bytes, exec_payload(bytes, 1, 0, "tmp\0ls", 7), &r));
  CHECK(!exec_request_parse(bytes, exec_payload(bytes, 1, 0, "/tmp\0", 6), &r));
  length = exec_payload(bytes, 1, 0, "/tmp\0ls", 8);
  put_u32(bytes, 1u << 31);
  CHECK(!exec_request_parse(bytes, length, &r));
}

static void parses_paths(void) {
  char path[PATH_BYTES_MAX + 1];
  CHECK(path_parse((const uint8_t *)"/a/b", 4, path) && strcmp(path, "/a/b") == 0);
  CHECK(!path_parse((const uint8_t *)"a/b", 3, path));
  CHECK(!path_parse((const uint8_t *)"/a\0b", 4, path));
  CHECK(!path_parse((const uint8_t *)"", 0, path));
}

static void keeps_ring_bytes_until_acknowledged(void) {
  struct ring r;
  const uint8_t *at;
  uint8_t block[1000], expected = 0, written = 0;
  ring_init(&r, 4096);
  for (int turn = 0; turn < 5000; turn++) {
    size_t length = (size_t)(turn * 7919 % 1000);
    for (size_t i = 0; i < length; i++) block[i] = written++;
    int fits = length <= 4096 - (r.end - r.base);
    CHECK(ring_put(&r, block, length) == fits);
    if (!fits) written = (uint8_t)(written - length);
    uint64_t offset = r.base, stop = r.base + (r.end - r.base) / 2 + (size_t)(turn % 2);
    for (size_t have; offset < stop && (have = ring_peek(&r, offset, &at)) > 0;) {
      if (have > stop - offset) have = (size_t)(stop - offset);
      for (size_t i = 0; i < have; i++) CHECK(at[i] == (uint8_t)(expected++));
      offset += have;
    }
    CHECK(ring_ack(&r, offset));
  }
  CHECK(!ring_ack(&r, r.end + 1));
  CHECK(r.base == 0 || !ring_ack(&r, r.base - 1));
  ring_free(&r);
}

static void writes_batches_through_a_narrow_pipe(void) {
  static struct out o;
  uint8_t *bulk = malloc(DATA_MAX), *got = malloc(4 * DATA_MAX);
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  for (int i = 0; i < DATA_MAX; i++) bulk[i] = (uint8_t)i;
  for (int i = 0; i < 3; i++) {
    uint8_t *at = out_frame(&o, (struct frame_head){FRAME_DATA, 1, 9}, 8, bulk, DATA_MAX);
    CHECK(at);
    put_u64(at, (uint64_t)i * DATA_MAX);
  }
  size_t total = 0;
  for (int done = 0; !done;) {
    done = out_write(&o, ends[1]);
    for (ssize_t n; (n = read(ends[0], got + total, 4 * DATA_MAX - total)) > 0;) total += (size_t)n;
  }
  CHECK(total == 3 * (HEADER_SIZE + 8 + DATA_MAX) && out_empty(&o));
  CHECK(memcmp(got + HEADER_SIZE + 8, bulk, DATA_MAX) == 0);
  int filled = 0;
  while (out_frame(&o, (struct frame_head){FRAME_PONG, 0, 0}, 8, NULL, 0)) filled++;
  CHECK(filled > 0 && !out_room(&o, 8));
  out_drop(&o);
  CHECK(out_error(&o, 1, ERROR_FILE, ENOENT) && !out_empty(&o));
  close(ends[0]);
  close(ends[1]);
  free(bulk);
  free(got);
}

static struct connection connected(int *client) {
  struct connection c;
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  connection_init(&c, 0x80000000u, ends[0]);
  *client = ends[1];
  return c;
}

static void a_connection_refuses_what_breaks_its_order(void) {
  static const uint8_t bytes[DATA_MAX];
  int client;
  struct connection c = connected(&client);
  CHECK(connection_take(&c, 0, bytes, 10));
  CHECK(!connection_take(&c, 5, bytes, 10));  /* doubles bytes */
  CHECK(!connection_take(&c, 11, bytes, 10)); /* skips one */
  CHECK(!connection_credit(&c, 1));           /* was never sent */
  CHECK(!connection_end(&c, 9));
  connection_free(&c);
  c = connected(&client);
  CHECK(connection_end(&c, 0) && !connection_end(&c, 0) && !connection_take(&c, 0, bytes, 1));
  CHECK(connection_close(&c) && !connection_close(&c) && !connection_credit(&c, 0));
  connection_free(&c);
}

static void a_connection_holds_a_window_and_no_more(void) {
  static const uint8_t bytes[DATA_MAX];
  int client;
  struct connection c = connected(&client);
  uint64_t sent = 0;
  for (; sent < DOOR_INPUT_WINDOW; sent += DATA_MAX)
    CHECK(connection_take(&c, sent, bytes, DATA_MAX));
  CHECK(!connection_take(&c, sent, bytes, 1));
  CHECK(connection_events(&c) == (POLLIN | POLLOUT));
  connection_free(&c);
}

/* A socket that nothing is wanted of must not be asked about: it would answer for ever. */
static void a_connection_rests_when_nothing_can_move(void) {
  static struct out o;
  int client;
  struct connection c = connected(&client);
  out_drop(&o);
  CHECK(connection_tell(&c, &o) && connection_events(&c) == POLLIN);
  shutdown(client, SHUT_WR);
  connection_move(&c, POLLIN);
  CHECK(connection_events(&c) == 0);
  CHECK(connection_compose(&c, &o) && c.told_end && connection_events(&c) == 0 && c.fd >= 0);
  CHECK(connection_end(&c, 0) && connection_compose(&c, &o) && c.fd < 0 && !c.failed);
  CHECK(!connection_over(&c) && connection_close(&c) && connection_over(&c));
  close(client);
  out_drop(&o);
}

static void names_errors(void) {
  char name[24];
  errno_name(ENOENT, name, sizeof name);
  CHECK(strcmp(name, "ENOENT") == 0);
  errno_name(99999, name, sizeof name);
  CHECK(strcmp(name, "E99999") == 0);
}

int main(void) {
  finds_frames_split_at_every_byte();
  resynchronises_at_the_key();
  refuses_what_no_orchestrator_sends();
  refuses_a_first_word_that_is_no_key();
  gives_back_the_memory_of_a_large_frame();
  parses_exec_requests();
  parses_paths();
  keeps_ring_bytes_until_acknowledged();
  writes_batches_through_a_narrow_pipe();
  a_connection_refuses_what_breaks_its_order();
  a_connection_holds_a_window_and_no_more();
  a_connection_rests_when_nothing_can_move();
  names_errors();
  printf("test: %s\n", failures ? "FAILED" : "all passed");
  return failures != 0;
}
