#define _GNU_SOURCE
#include "session.h"
#include "channel.h"
#include "crew.h"

#include <string.h>
#include <unistd.h>

/* How long a supervisor waits for the first attach. */
enum { FIRST_ATTACH_MS = 120 * 1000, HELLO_FIXED = 32, HELLO_CHANNEL = 48 };

static struct {
  int attached;
  int greeting; /* marker and HELLO are owed */
  int attach_expected;
  int pong_owed;
  uint8_t pong[8];
  uint8_t marker[MARKER_SIZE];
  uint32_t orphan_ms;
  const char *reason;
} session;

static int violation(const char *reason) {
  session.reason = reason;
  return 0;
}

const char *session_violation(void) { return session.reason; }
uint32_t session_orphan_ms(void) { return session.orphan_ms; }
void session_detach(void) { session.attached = 0; }

void session_init(void) {
  memset(&session, 0, sizeof session);
  session.orphan_ms = FIRST_ATTACH_MS;
  channels_init();
}

/* What was said and not acknowledged is said again, to the one who attaches, when it asks. */
static void attach(const struct frame *f) {
  memcpy(session.marker, f->payload + 4, MARKER_SIZE);
  session.orphan_ms = get_u32(f->payload + 4 + MARKER_SIZE);
  session.attached = 1;
  session.greeting = 1;
  session.attach_expected = 0;
  session.pong_owed = 0;
  channels_pause();
}

static int obey(const struct frame *f, int64_t now_us) {
  if (session.attach_expected != (f->type == FRAME_ATTACH))
    return violation("ATTACH must follow the key and nothing else");
  switch (f->type) {
  case FRAME_ATTACH: attach(f); return 1;
  case FRAME_PING:
    memcpy(session.pong, f->payload, sizeof session.pong);
    session.pong_owed = 1;
    return 1;
  default: return channels_obey(f, now_us, &session.reason);
  }
}

enum verdict session_obey(struct decoder *d, int64_t now_us) {
  struct frame f;
  for (;;) {
    switch (decoder_next(d, &f)) {
    case DECODED_MORE: return VERDICT_GO_ON;
    case DECODED_ATTACH:
      session.attach_expected = 1;
      session.attached = 0;
      break;
    case DECODED_VIOLATION: violation(d->reason); return VERDICT_VIOLATION;
    case DECODED_FRAME:
      if (f.type == FRAME_SHUTDOWN && !session.attach_expected) return VERDICT_SHUTDOWN;
      if (!obey(&f, now_us)) return VERDICT_VIOLATION;
      break;
    }
  }
}

static void greet(struct out *o) {
  size_t count = channels_count();
  out_drop(o);
  out_raw(o, session.marker, MARKER_SIZE);
  uint8_t *at = out_frame(o, (struct frame_head){FRAME_HELLO, 0, 0},
                          HELLO_FIXED + count * HELLO_CHANNEL, NULL, 0);
  put_u16(at, PROTOCOL_VERSION);
  put_u16(at + 2, getpid() == 1);
  put_u32(at + 4, (uint32_t)getpid());
  put_u32(at + 8, channels_last_id());
  put_u32(at + 12, OUTPUT_WINDOW);
  put_u32(at + 16, INPUT_WINDOW);
  put_u32(at + 20, CHANNELS_MAX);
  put_u32(at + 24, 0);
  put_u32(at + 28, (uint32_t)count);
  channels_describe(at + HELLO_FIXED);
  session.greeting = 0;
}

int session_must_greet(void) { return session.greeting; }

void session_compose(struct out *o) {
  if (!session.attached) return;
  if (session.greeting) greet(o);
  if (session.pong_owed) {
    uint8_t *at = out_frame(o, (struct frame_head){FRAME_PONG, 0, 0}, 8, NULL, 0);
    if (!at) return;
    memcpy(at, session.pong, 8);
    session.pong_owed = 0;
  }
  channels_compose(o);
}

size_t session_poll(struct pollfd *into) { return channels_poll(into); }

void session_move(const struct pollfd *polled, size_t count, int64_t now_us) {
  channels_move(polled, count, now_us);
}

int session_tick(int64_t now_us) { return channels_tick(now_us); }
