/* The streaming decoder of what the orchestrator sends. It holds at most one frame, never looks
 * at a payload, and finds the session key wherever it stands, so that a new attach may begin in
 * the middle of a frame the lost orchestrator did not finish. */
#ifndef DECODE_H
#define DECODE_H

#include "wire.h"

struct frame {
  uint8_t type;
  uint8_t stream;
  uint32_t channel;
  uint32_t length;
  const uint8_t *payload; /* valid until the next call */
};

enum decoded {
  DECODED_FRAME,
  DECODED_ATTACH, /* the key was seen; whatever stood before it is gone; ATTACH must follow */
  DECODED_MORE,
  DECODED_VIOLATION,
};

struct decoder {
  uint8_t *bytes;
  size_t capacity;
  size_t start;   /* first byte not handed out */
  size_t end;     /* first byte not received */
  size_t scanned; /* bytes before it hold no beginning of a key */
  uint8_t key[KEY_SIZE];
  int has_key;
  const char *reason; /* of a violation */
};

/* Where to read the next bytes into, and how many fit. NULL when memory is out. */
uint8_t *decoder_space(struct decoder *d, size_t *room);
void decoder_received(struct decoder *d, size_t count);
enum decoded decoder_next(struct decoder *d, struct frame *out);
void decoder_free(struct decoder *d);

#endif
