/* One connection to the door as a channel the supervisor has opened. Towards the orchestrator
 * nothing is held: bytes are taken out of the socket when the pipe and the window take them. The
 * other way at most a window waits for a client that does not read. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "out.h"
#include "ring.h"

struct connection {
  uint32_t channel; /* 0: free */
  int fd;           /* -1 once nothing can move any more */
  int readable;     /* the socket has bytes, or its end, for us */
  int told_open;
  uint64_t sent;
  size_t window; /* how far beyond `credited` it may be */
  uint64_t credited;
  int read_ended;
  int told_end;
  struct ring input;
  uint64_t input_credited;
  int input_ended;
  int shut;    /* the client has been told the end of its input */
  int failed;  /* it ended before both directions had */
  int closing; /* the orchestrator has said that it is done with it */
  int told_closed;
};

void connection_init(struct connection *c, uint32_t channel, int fd);
/* What the orchestrator says; 0 means a violation of the protocol. */
int connection_take(struct connection *c, uint64_t offset, const uint8_t *bytes, size_t length);
int connection_end(struct connection *c, uint64_t total);
int connection_credit(struct connection *c, uint64_t offset);
int connection_close(struct connection *c);

/* What poll() is to watch; 0 for nothing. */
short connection_events(const struct connection *c);
void connection_move(struct connection *c, short events);
/* Breaks it off: the client sees a reset, the orchestrator is told. */
void connection_reset(struct connection *c);
/* Tells the orchestrator of it, before anything else of it is said; 0 when the batch is full. */
int connection_tell(struct connection *c, struct out *o);
/* Adds what there is to say; 0 when the batch is full. */
int connection_compose(struct connection *c, struct out *o);
/* Whether both sides have said their last word. */
int connection_over(const struct connection *c);
void connection_free(struct connection *c);

/* Closes a socket so that its peer sees a reset and not an end. */
void connection_refuse(int fd);

#endif
