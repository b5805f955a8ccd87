/* One running command as a channel of the pipe: its streams, its clock, its end. It moves bytes
 * between the command's pipes and two bounded rings; a full ring is left unread, which stops the
 * command when it writes on. */
#ifndef COMMAND_H
#define COMMAND_H

#include "crew.h"
#include "out.h"
#include "request.h"
#include "ring.h"

struct output {
  int fd; /* -1 once the command's side is drained */
  struct ring ring;
  uint64_t sent;
};

struct command {
  uint32_t channel;
  uint32_t flags; /* enum exec_flag */
  int warden;     /* CREW_NOBODY when none was made or none is left */
  int gone;
  int started;
  int failed_stage; /* enum error_code, 0: the program started */
  int failed_number;
  int exited;
  struct note exit;
  uint8_t exit_flags; /* enum exited_flag */
  int64_t started_us;
  int64_t ended_us;
  int64_t deadline_ms; /* 0: none */
  uint64_t output_limit;
  uint64_t memory_kills; /* before it began */
  struct output outputs[2];
  int input_fd;
  int input_ended; /* the orchestrator has sent the last byte */
  struct ring input;
  uint64_t input_credited;
  int paused; /* after a re-attach, until RESUME says from where */
  int told_started;
  int told_end;
};

void command_start(struct command *c, const struct exec_request *request, int slot,
                   int64_t now_us);
void command_note(struct command *c, const struct note *n, int64_t now_us);
void command_gone(struct command *c, int lost, int64_t now_us);

/* The orchestrator's requests; 0 means a violation of the protocol. */
int command_input(struct command *c, uint64_t offset, const uint8_t *bytes, size_t length);
int command_input_end(struct command *c, uint64_t offset);
int command_resize(struct command *c, uint16_t rows, uint16_t columns);
int command_credit(struct command *c, int stream, uint64_t offset);
int command_resume(struct command *c, uint64_t stdout_offset, uint64_t stderr_offset);
void command_kill(struct command *c, uint8_t reason, int64_t now_ms);

enum { COMMAND_POLLS = 3 };
size_t command_poll(const struct command *c, struct pollfd *into);
void command_move(struct command *c, const struct pollfd *polled, size_t count, int64_t now_ms);
/* Ends the command when its time is over; returns milliseconds until then, or -1. */
int command_tick(struct command *c, int64_t now_ms);
/* Reads what is left after the end; call when anything may have changed. */
void command_settle(struct command *c, int64_t now_ms);

/* Adds what the command has to say; 0 when the batch is full. */
int command_compose(struct command *c, struct out *o);
/* Whether everything, its end included, has been said. */
int command_over(const struct command *c);
void command_free(struct command *c);

#endif
