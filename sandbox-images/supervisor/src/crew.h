/* The wardens of all commands, seen from the supervisor: starts them, hears their notes, makes
 * sure that what was told to die is dead even when a warden is stopped or killed from inside. */
#ifndef CREW_H
#define CREW_H

#include "launch.h"
#include "warden.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

enum { CREW_MAX = 96, CREW_NOBODY = -1 };

/* What the crew tells about a warden to the owner of its channel. */
struct crew_events {
  void (*note)(int slot, const struct note *n);
  /* No process of the command is left; `lost` when the warden did not end by itself. */
  void (*gone)(int slot, int lost);
};

void crew_init(const struct crew_events *events);
/* Returns the warden's number, or CREW_NOBODY with errno set. */
int crew_start(const struct launch *l, int slot, int64_t now_ms);
void crew_signal(int number, int signo, int group);
void crew_kill(int number, int64_t now_ms);
void crew_kill_all(int64_t now_ms);
/* The channel does not care any more; the warden goes on with descendants it was told to keep. */
void crew_forget(int number);
int crew_count(void);

size_t crew_poll(struct pollfd *into);
void crew_hear(const struct pollfd *polled, size_t count);
/* Reaps children of the supervisor; call after SIGCHLD. */
void crew_reap(void);
/* Escalates overdue kills and sweeps strays; returns milliseconds until it wants to be called
 * again, or -1. */
int crew_tick(int64_t now_ms);

#endif
