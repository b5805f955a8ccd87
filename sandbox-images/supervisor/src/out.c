#include "out.h"
#include "errname.h"

#include <errno.h>
#include <string.h>

static void add_part(struct out *o, const void *bytes, size_t length) {
  struct iovec *last = o->count ? &o->parts[o->count - 1] : NULL;
  if (last && (uint8_t *)last->iov_base + last->iov_len == bytes) last->iov_len += length;
  else o->parts[o->count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
}

int out_room(const struct out *o, size_t small) {
  return o->count + 2 <= OUT_PARTS && o->small_used + HEADER_SIZE + small <= OUT_SMALL;
}

uint8_t *out_frame(struct out *o, struct frame_head head, size_t small, const void *bytes,
                   size_t length) {
  if (!out_room(o, small)) return NULL;
  uint8_t *header = o->small + o->small_used;
  header[0] = head.type;
  header[1] = head.stream;
  put_u16(header + 2, 0);
  put_u32(header + 4, head.channel);
  put_u32(header + 8, (uint32_t)(small + length));
  o->small_used += HEADER_SIZE + small;
  add_part(o, header, HEADER_SIZE + small);
  if (length > 0) add_part(o, bytes, length);
  return header + HEADER_SIZE;
}

int out_error(struct out *o, uint32_t channel, int code, int number) {
  char name[24] = "";
  if (number) errno_name(number, name, sizeof name);
  size_t length = strlen(name);
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_ERROR, 0, channel}, 2 + length, NULL, 0);
  if (!at) return 0;
  put_u16(at, (uint16_t)code);
  memcpy(at + 2, name, length);
  return 1;
}

void out_raw(struct out *o, const void *bytes, size_t length) {
  memcpy(o->small + o->small_used, bytes, length);
  add_part(o, o->small + o->small_used, length);
  o->small_used += length;
}

int out_empty(const struct out *o) { return o->count == 0; }

void out_drop(struct out *o) {
  o->count = 0;
  o->at = 0;
  o->small_used = 0;
  o->bulk_used = 0;
}

int out_write(struct out *o, int fd) {
  while (o->at < o->count) {
    ssize_t wrote = writev(fd, o->parts + o->at, o->count - o->at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno == EAGAIN ? 0 : -1;
    while (wrote > 0) {
      struct iovec *part = &o->parts[o->at];
      size_t taken = (size_t)wrote < part->iov_len ? (size_t)wrote : part->iov_len;
      part->iov_base = (uint8_t *)part->iov_base + taken;
      part->iov_len -= taken;
      wrote -= (ssize_t)taken;
      if (part->iov_len == 0) o->at++;
    }
  }
  out_drop(o);
  return 1;
}
