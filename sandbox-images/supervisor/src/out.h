/* One batch of frames on its way to the orchestrator. Frames are composed only when the batch
 * before is written whole, from what the channels want to say at that moment: nothing queues up,
 * whatever the reader does. Bulk bytes are referenced, not copied, so their owner keeps them in
 * place until the batch is empty again. */
#ifndef OUT_H
#define OUT_H

#include "wire.h"

#include <sys/uio.h>

enum { OUT_PARTS = 128, OUT_SMALL = 16 * 1024 };

struct out {
  struct iovec parts[OUT_PARTS];
  int count;
  int at;
  uint8_t small[OUT_SMALL];
  size_t small_used;
  uint8_t bulk[DATA_MAX]; /* for frames whose bytes come from a file or a connection */
  size_t bulk_used;
};

struct frame_head {
  uint8_t type;
  uint8_t stream;
  uint32_t channel;
};

/* Adds a frame of `small` bytes, to be written to the returned place, followed by `length` bytes
 * at `bytes`. NULL when the batch is full: try again after it has been written. */
uint8_t *out_frame(struct out *o, struct frame_head head, size_t small, const void *bytes,
                   size_t length);

/* Whether a frame with `small` bytes and bulk still fits. */
int out_room(const struct out *o, size_t small);
/* Adds an ERROR frame that ends a channel; 0 when the batch is full. */
int out_error(struct out *o, uint32_t channel, int code, int number);
/* Puts bytes into the stream that are no frame; the echo of the marker. */
void out_raw(struct out *o, const void *bytes, size_t length);
int out_empty(const struct out *o);
/* Forgets the batch, also one that is half written. */
void out_drop(struct out *o);
/* 1 when the batch is written, 0 when the pipe is full, -1 when nobody reads it. */
int out_write(struct out *o, int fd);

#endif
