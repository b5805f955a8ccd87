/* The door for traffic: a listening socket on the loopback of the sandbox's own network, there
 * only when the orchestrator asks for it. Each connection becomes a channel; what its bytes mean
 * is for the orchestrator. Nobody attached means nobody to talk to: connections end at once. */
#ifndef DOOR_H
#define DOOR_H

#include "connection.h"
#include "decode.h"

#include <poll.h>

void door_init(void);
/* Listens on the port, or on any where it is 0; how that went is said with LISTENING. At most
 * `connections` are there at once; 0 is DOOR_CONNECTIONS_FEW. */
void door_listen(uint16_t port, uint16_t connections);
/* One frame of a connection; 0 means a violation. */
int door_obey(const struct frame *f, const char **reason);
/* Another orchestrator attaches: no connection outlives it, and it has to ask again. The socket
 * stays, so that nobody inside can take its place. */
void door_forget(void);
/* Nobody has been heard of for long: connections are broken off, new ones are refused. */
void door_silence(int silent);

enum { DOOR_POLLS_MAX = DOOR_CONNECTIONS_MAX + 1 };
size_t door_poll(struct pollfd *into);
/* With the same list that door_poll() made. */
void door_move(const struct pollfd *polled, size_t count, int64_t now_ms);
/* Milliseconds until it wants to be called again, or -1. */
int door_tick(int64_t now_ms);
/* 0 when the batch is full. */
int door_compose(struct out *o);

#endif
