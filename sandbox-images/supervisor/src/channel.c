#define _GNU_SOURCE
#include "channel.h"
#include "clock.h"
#include "command.h"
#include "file.h"

#include <stdlib.h>
#include <string.h>

struct channel {
  uint32_t id; /* 0: free */
  int releasing;
  struct command *command; /* one of the two is set */
  struct file_op *file;
};

static struct channel channels[CHANNELS_MAX];
static uint32_t last_id;
static size_t turn;         /* who speaks first, so that no stream can starve the others */

static void on_note(int slot, const struct note *n) {
  if (channels[slot].command) command_note(channels[slot].command, n, clock_us());
}

static void on_gone(int slot, int lost) {
  if (channels[slot].command) command_gone(channels[slot].command, lost, clock_us());
}

void channels_init(void) {
  static const struct crew_events events = {on_note, on_gone};
  crew_init(&events);
}

static void free_channel(struct channel *c) {
  if (c->command) command_free(c->command);
  if (c->file) file_free(c->file);
  free(c->command);
  free(c->file);
  memset(c, 0, sizeof *c);
}

static struct channel *find(uint32_t id) {
  for (size_t i = 0; i < CHANNELS_MAX; i++)
    if (channels[i].id == id) return &channels[i];
  return NULL;
}

static int no(const char **reason, const char *text) {
  *reason = text;
  return 0;
}

static int open_command(struct channel *c, const struct frame *f, int64_t now_us,
                        const char **reason) {
  struct exec_request request;
  if (!exec_request_parse(f->payload, f->length, &request)) return no(reason, "malformed EXEC");
  c->command = calloc(1, sizeof *c->command);
  if (!c->command) abort();
  c->command->channel = f->channel;
  command_start(c->command, &request, (int)(c - channels), now_us);
  exec_request_free(&request);
  return 1;
}

static int open_file(struct channel *c, const struct frame *f, const char **reason) {
  c->file = calloc(1, sizeof *c->file);
  if (!c->file) abort();
  c->file->channel = f->channel;
  return file_start(c->file, f) ? 1 : no(reason, "malformed file request");
}

static int open_channel(const struct frame *f, int64_t now_us, const char **reason) {
  if (f->channel <= last_id) return no(reason, "channel id was used before");
  struct channel *c = find(0);
  if (!c) return no(reason, "too many channels");
  last_id = f->channel;
  c->id = f->channel;
  return f->type == FRAME_EXEC ? open_command(c, f, now_us, reason) : open_file(c, f, reason);
}

static int obey_file(struct channel *c, const struct frame *f) {
  const uint8_t *at = f->payload;
  switch (f->type) {
  case FRAME_INPUT: return file_input(c->file, get_u64(at), at + 8, f->length - 8);
  case FRAME_INPUT_END: return file_input_end(c->file, get_u64(at));
  case FRAME_CREDIT: return file_credit(c->file, f->stream, get_u64(at));
  case FRAME_RELEASE: c->releasing = 1; return 1;
  default: return 0;
  }
}

static int obey_command(struct channel *c, const struct frame *f, int64_t now_us) {
  struct command *command = c->command;
  const uint8_t *at = f->payload;
  switch (f->type) {
  case FRAME_INPUT: return command_input(command, get_u64(at), at + 8, f->length - 8);
  case FRAME_INPUT_END: return command_input_end(command, get_u64(at));
  case FRAME_SIGNAL:
    if (at[0] == 0 || at[0] > 64 || at[1] > 1) return 0;
    if (command->warden != CREW_NOBODY) crew_signal(command->warden, at[0], at[1]);
    return 1;
  case FRAME_RESIZE: return command_resize(command, get_u16(at), get_u16(at + 2));
  case FRAME_KILL: command_kill(command, EXITED_KILLED, now_us / 1000); return 1;
  case FRAME_CREDIT: return f->stream && command_credit(command, f->stream, get_u64(at));
  case FRAME_RESUME: return command_resume(command, get_u64(at), get_u64(at + 8));
  case FRAME_RELEASE:
    c->releasing = 1;
    return command_over(command);
  default: return 0;
  }
}

static int opens(uint8_t type) {
  return type == FRAME_EXEC || (type >= FRAME_READ && type <= FRAME_REMOVE);
}

int channels_obey(const struct frame *f, int64_t now_us, const char **reason) {
  if (opens(f->type)) return open_channel(f, now_us, reason);
  struct channel *c = find(f->channel);
  if (!c || c->releasing) return no(reason, "no such channel");
  int fine = c->command ? obey_command(c, f, now_us) : obey_file(c, f);
  return fine ? 1 : no(reason, "frame does not fit the state of its channel");
}

void channels_pause(void) {
  for (size_t i = 0; i < CHANNELS_MAX; i++) {
    struct channel *c = &channels[i];
    if (c->file || c->releasing) free_channel(c);
    else if (c->command) c->command->paused = 1;
  }
}

size_t channels_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < CHANNELS_MAX; i++) count += channels[i].id != 0;
  return count;
}

uint32_t channels_last_id(void) { return last_id; }

void channels_describe(uint8_t *at) {
  for (size_t i = 0; i < CHANNELS_MAX; i++) {
    const struct command *c = channels[i].command;
    if (!c) continue;
    put_u32(at, channels[i].id);
    put_u32(at + 4, (uint32_t)(c->exited ? 2 : c->failed_stage ? 3 : c->started ? 1 : 0));
    put_u64(at + 8, c->input.end);
    for (int s = 0; s < 2; s++) {
      put_u64(at + 16 + 16 * s, c->outputs[s].ring.base);
      put_u64(at + 24 + 16 * s, c->outputs[s].ring.end);
    }
    at += 48;
  }
}

size_t channels_poll(struct pollfd *into) {
  size_t count = 0;
  for (size_t i = 0; i < CHANNELS_MAX; i++)
    if (channels[i].command) count += command_poll(channels[i].command, into + count);
  return count;
}

void channels_move(const struct pollfd *polled, size_t count, int64_t now_us) {
  for (size_t i = 0; i < CHANNELS_MAX; i++)
    if (channels[i].command) command_move(channels[i].command, polled, count, now_us / 1000);
}

int channels_tick(int64_t now_us) {
  int next = -1;
  for (size_t i = 0; i < CHANNELS_MAX; i++) {
    struct command *c = channels[i].command;
    if (!c) continue;
    command_settle(c, now_us / 1000);
    int wait = command_tick(c, now_us / 1000);
    if (wait >= 0 && (next < 0 || wait < next)) next = wait;
  }
  return next;
}

static int compose(struct channel *c, struct out *o) {
  if (!c->releasing) return c->command ? command_compose(c->command, o) : file_compose(c->file, o);
  /* The batch before is written, so nothing refers to the channel's bytes any more. */
  if (!out_frame(o, (struct frame_head){FRAME_RELEASED, 0, c->id}, 0, NULL, 0)) return 0;
  free_channel(c);
  return 1;
}

int channels_compose(struct out *o) {
  turn = (turn + 1) % CHANNELS_MAX;
  for (size_t i = 0; i < CHANNELS_MAX; i++) {
    struct channel *c = &channels[(turn + i) % CHANNELS_MAX];
    if (c->id && !compose(c, o)) return 0;
  }
  return 1;
}
