#define _GNU_SOURCE
#include "session.h"
#include "channel.h"
#include "crew.h"
#include "door.h"

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
  int door_first; /* commands and connections take turns at being first to speak */
  size_t door_polls_at;
  const char *reason;
} session;

static int violation(const char *reason) {
  session.reason = reason;
  return 0;
}

const char *session_violation(void) { return session.reason; }
uint32_t session_orphan_ms(void) { return session.orphan_ms; }
void session_detach(void) {
  session.attached = 0;
  door_forget();
}

void session_init(void) {
  memset(&session, 0, sizeof session);
  session.orphan_ms = FIRST_ATTACH_MS;
  channels_init();
  door_init();
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
  door_forget();
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
  case FRAME_LISTEN:
    if (get_u16(f->payload + 2) > DOOR_CONNECTIONS_MAX) return violation("malformed LISTEN");
    door_listen(get_u16(f->payload), get_u16(f->payload + 2));
    return 1;
  case FRAME_DOOR_BYTES:
  case FRAME_DOOR_CREDIT:
  case FRAME_DOOR_END:
  case FRAME_DOOR_CLOSE: return door_obey(f, &session.reason);
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
  put_u32(at + 24, FEATURE_DOOR | FEATURE_MANY);
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
  session.door_first = !session.door_first;
  if (session.door_first && !door_compose(o)) return;
  if (channels_compose(o) && !session.door_first) door_compose(o);
}

size_t session_poll(struct pollfd *into) {
  session.door_polls_at = channels_poll(into);
  return session.door_polls_at + door_poll(into + session.door_polls_at);
}

void session_move(const struct pollfd *polled, size_t count, int64_t now_us) {
  size_t at = session.door_polls_at;
  channels_move(polled, at, now_us);
  door_move(polled + at, count - at, now_us / 1000);
}

int session_tick(int64_t now_us) {
  int commands = channels_tick(now_us), door = door_tick(now_us / 1000);
  return commands < 0 || (door >= 0 && door < commands) ? door : commands;
}

int session_silence(int64_t silence_ms) {
  int64_t limit_ms = session.orphan_ms / 2;
  door_silence(session.orphan_ms && silence_ms >= limit_ms);
  return session.orphan_ms && silence_ms < limit_ms ? (int)(limit_ms - silence_ms) : -1;
}
