#define _GNU_SOURCE
#include "ring.h"

#include <string.h>
#include <sys/mman.h>

void ring_init(struct ring *r, size_t capacity) {
  memset(r, 0, sizeof *r);
  r->capacity = capacity;
}

static int map(struct ring *r) {
  if (r->bytes) return 1;
  void *at = mmap(NULL, r->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return 0;
  /* Wardens never read it; copying its page tables at every fork would only cost. */
  madvise(at, r->capacity, MADV_DONTFORK);
  r->bytes = at;
  return 1;
}

static size_t place(const struct ring *r, uint64_t offset) {
  return (size_t)((offset - r->origin) % r->capacity);
}

uint8_t *ring_space(struct ring *r, size_t *room) {
  if (!map(r)) return NULL;
  /* An empty ring starts over at its first page, so that small streams touch few pages. */
  if (r->base == r->end) r->origin = r->base;
  size_t used = (size_t)(r->end - r->base);
  size_t at = place(r, r->end);
  size_t free_bytes = r->capacity - used;
  size_t to_wrap = r->capacity - at;
  *room = free_bytes < to_wrap ? free_bytes : to_wrap;
  return *room ? r->bytes + at : NULL;
}

void ring_commit(struct ring *r, size_t count) { r->end += count; }

size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **at) {
  if (offset < r->base || offset >= r->end) return 0;
  size_t from = place(r, offset);
  size_t have = (size_t)(r->end - offset);
  size_t to_wrap = r->capacity - from;
  *at = r->bytes + from;
  return have < to_wrap ? have : to_wrap;
}

int ring_put(struct ring *r, const uint8_t *bytes, size_t count) {
  if (count > r->capacity - (size_t)(r->end - r->base)) return 0;
  while (count > 0) {
    size_t room;
    uint8_t *at = ring_space(r, &room);
    if (!at) return 0;
    size_t part = count < room ? count : room;
    memcpy(at, bytes, part);
    ring_commit(r, part);
    bytes += part;
    count -= part;
  }
  return 1;
}

int ring_ack(struct ring *r, uint64_t offset) {
  if (offset < r->base || offset > r->end) return 0;
  r->base = offset;
  return 1;
}

void ring_free(struct ring *r) {
  if (r->bytes) munmap(r->bytes, r->capacity);
  r->bytes = NULL;
}
