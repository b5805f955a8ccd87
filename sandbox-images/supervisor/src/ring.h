/* A stream's bytes between the one who writes and the one who has not acknowledged yet, by
 * absolute offset. Bytes stay until acknowledged, so they can be sent again after a re-attach. */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
  uint8_t *bytes; /* mapped on first use */
  size_t capacity;
  uint64_t origin; /* offset that stands at bytes[0] */
  uint64_t base;   /* everything before it is acknowledged */
  uint64_t end;    /* everything before it is captured */
};

void ring_init(struct ring *r, size_t capacity);
/* The next contiguous free region, at most `capacity` long. NULL when full or out of memory. */
uint8_t *ring_space(struct ring *r, size_t *room);
void ring_commit(struct ring *r, size_t count);
/* Contiguous captured bytes from `offset` on; 0 when there are none. */
size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **at);
/* Copies all of `count` bytes in; 0 when they do not fit. */
int ring_put(struct ring *r, const uint8_t *bytes, size_t count);
/* Frees what lies before `offset`; 0 when the offset is not between base and end. */
int ring_ack(struct ring *r, uint64_t offset);
void ring_free(struct ring *r);

#endif
