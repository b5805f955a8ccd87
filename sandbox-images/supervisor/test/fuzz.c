/* Fuzzes what the orchestrator's bytes meet first: the decoder, however they are cut, and the
 * parsers of payloads. The oracle is the decoder itself, fed whole: cutting must change nothing.
 * Runs by the driver below, `fuzz [SECONDS [SEED]]`, or under libFuzzer with -DLIBFUZZER. */
#define _GNU_SOURCE
#include "decode.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUIRE(what) \
  do { \
    if (!(what)) { \
      fprintf(stderr, "fuzz: %s:%d: %s\n", __FILE__, __LINE__, #what); \
      abort(); \
    } \
  } while (0)

enum { HELD_MAX = HEADER_SIZE + EXEC_MAX + 1 + KEY_SIZE + 2 * DATA_MAX, EVENTS_MAX = 4096 };

struct trace {
  size_t count;
  uint64_t hash;
  enum decoded last;
};

static void mix(struct trace *t, const void *bytes, size_t length) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < length; i++) t->hash = (t->hash ^ at[i]) * 1099511628211u;
}

static void parse(const struct frame *f) {
  struct exec_request request;
  char path[PATH_BYTES_MAX + 1];
  if (f->type == FRAME_EXEC && exec_request_parse(f->payload, f->length, &request)) {
    size_t strings = 0;
    for (char **a = request.argv; *a; a++) strings += strlen(*a);
    for (char **e = request.envp; *e; e++) strings += strlen(*e);
    REQUIRE(strings < f->length && request.cwd[0] == '/');
    exec_request_free(&request);
  }
  if (f->type == FRAME_STAT && path_parse(f->payload, f->length, path))
    REQUIRE(strlen(path) == f->length);
}

static void drain(struct decoder *d, struct trace *t) {
  struct frame f;
  while (t->last != DECODED_VIOLATION && t->count < EVENTS_MAX) {
    t->last = decoder_next(d, &f);
    if (t->last == DECODED_MORE) return;
    t->count++;
    mix(t, &t->last, sizeof t->last);
    if (t->last != DECODED_FRAME) continue;
    REQUIRE(f.length <= EXEC_MAX);
    mix(t, &f.type, 1);
    mix(t, &f.channel, sizeof f.channel);
    mix(t, f.payload, f.length);
    parse(&f);
  }
}

/* `cut` says how many bytes come next; 0 gives all that fit. */
static struct trace feed(const uint8_t *bytes, size_t length, const uint8_t *cuts, size_t cut_count) {
  struct decoder d = {0};
  struct trace t = {0, 14695981039346656037u, DECODED_MORE};
  for (size_t at = 0, i = 0; at < length && t.last != DECODED_VIOLATION && t.count < EVENTS_MAX; i++) {
    size_t room, part = cut_count ? cuts[i % cut_count] % 97 + 1u : length;
    uint8_t *into = decoder_space(&d, &room);
    REQUIRE(into && room > 0);
    if (part > room) part = room;
    if (part > length - at) part = length - at;
    memcpy(into, bytes + at, part);
    decoder_received(&d, part);
    at += part;
    drain(&d, &t);
    REQUIRE(d.capacity <= HELD_MAX);
  }
  decoder_free(&d);
  return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length < 8) return 0;
  struct trace whole = feed(bytes + 8, length - 8, NULL, 0);
  struct trace cut = feed(bytes + 8, length - 8, bytes, 8);
  /* A key that appears later can undo a torn frame only while it is not judged yet, so both end
   * alike as well. */
  REQUIRE(whole.last == cut.last && whole.count == cut.count && whole.hash == cut.hash);
  return 0;
}

#ifndef LIBFUZZER

static uint64_t seed = 88172645463325252u;

static uint32_t draw(uint32_t below) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return below ? (uint32_t)(seed >> 16) % below : 0;
}

static const uint8_t TYPES[] = {1,    2,    3,    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
                                0x17, 0x18, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x40,
                                0x41, 0x42, 0x43, 0x44, 0x45};

/* Something like what an orchestrator says, then spoiled in a few places. */
static size_t compose(uint8_t *into, size_t room) {
  const char *hex = "0123456789abcdef";
  uint8_t key[KEY_SIZE];
  size_t at = 8;
  for (size_t i = 0; i < 8; i++) into[i] = (uint8_t)draw(256);
  for (size_t i = 0; i < KEY_SIZE; i++) key[i] = (uint8_t)hex[draw(draw(2) ? 16 : 2)];
  memcpy(into + at, key, KEY_SIZE);
  at += KEY_SIZE;
  for (uint32_t n = draw(12); n > 0 && at + 400 < room; n--) {
    uint8_t type = TYPES[draw(sizeof TYPES)];
    static const uint32_t LENGTHS[] = {0, 1, 2, 4, 8, 9, 16, 17, 40, 30, 60, 200};
    uint32_t length = LENGTHS[draw(12)];
    memset(into + at, 0, HEADER_SIZE);
    into[at] = type;
    into[at + 1] = (uint8_t)(type == FRAME_CREDIT ? draw(3) : 0);
    uint32_t channel = type < 0x10 || type == FRAME_LISTEN ? 0 : draw(4);
    put_u32(into + at + 4, type > FRAME_LISTEN ? channel | 0x80000000u : channel);
    put_u32(into + at + 8, length);
    for (uint32_t i = 0; i < length; i++) into[at + HEADER_SIZE + i] = (uint8_t)draw(draw(3) ? 3 : 256);
    into[at + HEADER_SIZE + length] = END_BYTE;
    size_t whole = HEADER_SIZE + length + 1;
    if (draw(6) == 0) { /* torn: a new attach follows wherever the old one stopped */
      at += draw((uint32_t)whole);
      memcpy(into + at, key, KEY_SIZE);
      at += KEY_SIZE;
    } else {
      at += whole;
    }
  }
  for (uint32_t n = draw(3); n > 0 && draw(2); n--) into[draw((uint32_t)at)] = (uint8_t)draw(256);
  return at;
}

int main(int argc, char **argv) {
  static uint8_t input[8192];
  time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 2);
  if (argc > 2) seed ^= strtoull(argv[2], NULL, 0) << 1;
  unsigned long rounds = 0;
  for (; time(NULL) <= until; rounds++) {
    size_t length = compose(input, sizeof input);
    LLVMFuzzerTestOneInput(input, length);
  }
  printf("fuzz: %lu inputs\n", rounds);
  return 0;
}

#endif
