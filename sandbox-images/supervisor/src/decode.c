#define _GNU_SOURCE
#include "decode.h"

#include <stdlib.h>
#include <string.h>

/* The smallest buffer: one full data frame and then some, so that bulk input needs few reads. */
enum { BUFFER_SIZE = HEADER_SIZE + 8 + DATA_MAX + 1 + 4096 };

/* Whose channel a frame speaks of. */
enum owner { ORCHESTRATOR, SESSION, DOOR };

struct shape {
  uint8_t type;
  uint8_t owner;
  uint32_t min;
  uint32_t max;
};

static const struct shape SHAPES[] = {
    {FRAME_ATTACH, SESSION, 2 + 2 + MARKER_SIZE + 4, 2 + 2 + MARKER_SIZE + 4},
    {FRAME_PING, SESSION, 8, 8},
    {FRAME_SHUTDOWN, SESSION, 0, 0},
    {FRAME_EXEC, ORCHESTRATOR, 28 + 2, EXEC_MAX},
    {FRAME_INPUT, ORCHESTRATOR, 8 + 1, 8 + DATA_MAX},
    {FRAME_INPUT_END, ORCHESTRATOR, 8, 8},
    {FRAME_SIGNAL, ORCHESTRATOR, 2, 2},
    {FRAME_RESIZE, ORCHESTRATOR, 4, 4},
    {FRAME_KILL, ORCHESTRATOR, 0, 0},
    {FRAME_CREDIT, ORCHESTRATOR, 8, 8},
    {FRAME_RESUME, ORCHESTRATOR, 16, 16},
    {FRAME_RELEASE, ORCHESTRATOR, 0, 0},
    {FRAME_READ, ORCHESTRATOR, 16 + 1, 16 + PATH_BYTES_MAX},
    {FRAME_WRITE, ORCHESTRATOR, 8 + 1, 8 + PATH_BYTES_MAX},
    {FRAME_LIST, ORCHESTRATOR, 4 + 1, 4 + PATH_BYTES_MAX},
    {FRAME_STAT, ORCHESTRATOR, 1, PATH_BYTES_MAX},
    {FRAME_PROBE, ORCHESTRATOR, 0, 0},
    {FRAME_MKDIR, ORCHESTRATOR, 4 + 1, 4 + PATH_BYTES_MAX},
    {FRAME_REMOVE, ORCHESTRATOR, 1, PATH_BYTES_MAX},
    {FRAME_LISTEN, SESSION, 4, 4},
    {FRAME_DOOR_BYTES, DOOR, 8 + 1, 8 + DATA_MAX},
    {FRAME_DOOR_CREDIT, DOOR, 8, 8},
    {FRAME_DOOR_END, DOOR, 8, 8},
    {FRAME_DOOR_CLOSE, DOOR, 0, 0},
};

static const struct shape *shape_of(uint8_t type) {
  for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
    if (SHAPES[i].type == type) return &SHAPES[i];
  return NULL;
}

static enum decoded violation(struct decoder *d, const char *reason) {
  d->reason = reason;
  return DECODED_VIOLATION;
}

/* Gives back the memory of a large frame and moves what is left to the front. */
static void settle(struct decoder *d) {
  size_t left = d->end - d->start;
  if (d->start > 0 && left > 0) memmove(d->bytes, d->bytes + d->start, left);
  d->scanned = d->scanned > d->start ? d->scanned - d->start : 0;
  d->start = 0;
  d->end = left;
  if (d->capacity > BUFFER_SIZE && left <= BUFFER_SIZE) {
    uint8_t *smaller = realloc(d->bytes, BUFFER_SIZE);
    if (smaller) {
      d->bytes = smaller;
      d->capacity = BUFFER_SIZE;
    }
  }
}

/* How much the frame at the front needs in all; its header is not judged here. */
static size_t wanted(const struct decoder *d) {
  if (d->end < HEADER_SIZE) return BUFFER_SIZE;
  uint32_t length = get_u32(d->bytes + 8);
  if (length > EXEC_MAX) return BUFFER_SIZE;
  size_t whole = (size_t)HEADER_SIZE + length + 1 + KEY_SIZE;
  return whole > BUFFER_SIZE ? whole : BUFFER_SIZE;
}

uint8_t *decoder_space(struct decoder *d, size_t *room) {
  settle(d);
  size_t need = wanted(d);
  if (need > d->capacity) {
    uint8_t *larger = realloc(d->bytes, need);
    if (!larger) return NULL;
    d->bytes = larger;
    d->capacity = need;
  }
  *room = d->capacity - d->end;
  return d->bytes + d->end;
}

void decoder_received(struct decoder *d, size_t count) { d->end += count; }

/* Whether what looks wrong may be a torn frame filled up by a key that is still arriving: the
 * received bytes end in a beginning of the key, and it begins inside the frame's first `extent`
 * bytes. Otherwise waiting for more cannot change the verdict. */
static int may_be_torn(const struct decoder *d, size_t extent) {
  size_t left = d->end - d->start;
  size_t first = left >= KEY_SIZE ? left - KEY_SIZE + 1 : 0;
  for (size_t at = first; at < extent && at < left; at++)
    if (memcmp(d->bytes + d->start + at, d->key, left - at) == 0) return 1;
  return 0;
}

static enum decoded take_first_key(struct decoder *d) {
  if (d->end - d->start < KEY_SIZE) return DECODED_MORE;
  const uint8_t *key = d->bytes + d->start;
  for (size_t i = 0; i < KEY_SIZE; i++) {
    int hex = (key[i] >= '0' && key[i] <= '9') || (key[i] >= 'a' && key[i] <= 'f');
    if (!hex) return violation(d, "session key is not lower-case hex");
  }
  memcpy(d->key, key, KEY_SIZE);
  d->has_key = 1;
  d->start += KEY_SIZE;
  d->scanned = d->start;
  return DECODED_ATTACH;
}

/* Where the next key begins, or the end of what was received. Scans only what no earlier call has
 * scanned, minus a key that may be half received. */
static size_t find_key(struct decoder *d) {
  size_t from = d->scanned > d->start ? d->scanned : d->start;
  uint8_t *found = memmem(d->bytes + from, d->end - from, d->key, KEY_SIZE);
  if (found) return (size_t)(found - d->bytes);
  size_t safe = d->end >= KEY_SIZE - 1 ? d->end - (KEY_SIZE - 1) : 0;
  if (safe > d->scanned) d->scanned = safe;
  return d->end;
}

/* The key is where a frame should go on: the frame was torn, the orchestrator is another. */
static enum decoded attach(struct decoder *d, size_t key_at) {
  d->start = key_at + KEY_SIZE;
  d->scanned = d->start;
  return DECODED_ATTACH;
}

static const char *judge(const struct frame *f, const uint8_t *header) {
  const struct shape *shape = shape_of(f->type);
  if (!shape) return "unknown frame type";
  if (get_u16(header + 2) != 0) return "reserved header bits are set";
  if (f->stream > STREAM_STDERR || (f->stream && f->type != FRAME_CREDIT)) return "wrong stream";
  if (f->length < shape->min) return "frame too short";
  if (f->length > shape->max) return "frame too long";
  enum owner owner = f->channel == 0                   ? SESSION
                     : f->channel > CHANNEL_MAX ? DOOR
                                                       : ORCHESTRATOR;
  if (owner != shape->owner) return "wrong channel for this frame type";
  return NULL;
}

enum decoded decoder_next(struct decoder *d, struct frame *out) {
  if (!d->has_key) return take_first_key(d);
  size_t left = d->end - d->start, key_at = find_key(d);
  size_t before_key = key_at - d->start; /* all of `left` when there is no key */
  int keyed = key_at < d->end;
  if (keyed && before_key < HEADER_SIZE) return attach(d, key_at);
  if (left < HEADER_SIZE) return DECODED_MORE;
  const uint8_t *header = d->bytes + d->start;
  out->type = header[0];
  out->stream = header[1];
  out->channel = get_u32(header + 4);
  out->length = get_u32(header + 8);
  out->payload = header + HEADER_SIZE;
  const char *wrong = judge(out, header);
  if (wrong) return may_be_torn(d, HEADER_SIZE) ? DECODED_MORE : violation(d, wrong);
  size_t whole = (size_t)HEADER_SIZE + out->length + 1;
  if (keyed && before_key < whole) return attach(d, key_at);
  if (left < whole) return DECODED_MORE;
  if (out->payload[out->length] != END_BYTE)
    return may_be_torn(d, whole) ? DECODED_MORE : violation(d, "frame does not end where it says");
  d->start += whole;
  return DECODED_FRAME;
}

void decoder_free(struct decoder *d) {
  free(d->bytes);
  memset(d, 0, sizeof *d);
}
