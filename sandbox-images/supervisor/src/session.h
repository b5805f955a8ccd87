/* The conversation with the orchestrator: which channels there are, what a frame means for them,
 * what is to be said next, and what happens when another orchestrator takes over. */
#ifndef SESSION_H
#define SESSION_H

#include "decode.h"
#include "out.h"

#include <poll.h>
#include <stdint.h>

/* Two output pipes and an input each, plus the door and its connections. */
enum { SESSION_POLLS_MAX = CHANNELS_MAX * 3 + DOOR_CONNECTIONS_MAX + 1 };

enum verdict { VERDICT_GO_ON, VERDICT_SHUTDOWN, VERDICT_VIOLATION };

void session_init(void);
/* Takes all whole frames out of the decoder. */
enum verdict session_obey(struct decoder *d, int64_t now_us);
const char *session_violation(void);
/* The reader is gone: nothing is said until another attaches. */
void session_detach(void);

/* Another orchestrator has taken over and is owed marker and HELLO before anything else. */
int session_must_greet(void);

size_t session_poll(struct pollfd *into);
void session_move(const struct pollfd *polled, size_t count, int64_t now_us);
/* Milliseconds until the next deadline, or -1. */
int session_tick(int64_t now_us);
/* Fills an empty batch; leaves it empty when there is nothing to say. */
void session_compose(struct out *o);
/* Milliseconds without a word: connections to the door end long before the sandbox does. Returns
 * milliseconds until it wants to hear of it again, or -1. */
int session_silence(int64_t silence_ms);
/* Milliseconds of silence after which the orchestrator counts as lost; 0: never. */
uint32_t session_orphan_ms(void);

#endif
