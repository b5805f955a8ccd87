/* The table of channels: a command or a file operation each, from the frame that opens it until
 * RELEASE. Ids only grow, so a frame that opens a channel cannot be replayed. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "decode.h"
#include "out.h"

#include <poll.h>

void channels_init(void);
/* 0 means a violation; then `reason` says which. */
int channels_obey(const struct frame *f, int64_t now_us, const char **reason);
/* Another orchestrator attaches: commands wait for RESUME, file operations are over. */
void channels_pause(void);

size_t channels_count(void);
uint32_t channels_last_id(void);
/* Writes 48 bytes for each channel. */
void channels_describe(uint8_t *at);

enum { CHANNEL_POLLS_MAX = CHANNELS_MAX * 3 };
size_t channels_poll(struct pollfd *into);
void channels_move(const struct pollfd *polled, size_t count, int64_t now_us);
int channels_tick(int64_t now_us);
/* 0 when the batch is full. */
int channels_compose(struct out *o);

#endif
