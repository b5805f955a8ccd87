/* One small process between the supervisor and each command. It is the subreaper of everything
 * the command starts, so a double-forked or setsid'ed process still descends from it and from
 * nobody else; when it has no child left, nothing of the command is left. It owns the command's
 * process id, so a signal can never hit a process that took the id over. */
#ifndef WARDEN_H
#define WARDEN_H

#include "launch.h"

#include <stdint.h>

enum note_kind { NOTE_STARTED = 1, NOTE_FAILED = 2, NOTE_EXITED = 3 };

/* Warden to supervisor. */
struct note {
  int32_t kind;
  int32_t first;  /* pid, stage of the failure or exit code */
  int32_t second; /* errno or signal */
  int32_t alone;  /* with NOTE_EXITED: nothing else of the command is left */
  uint64_t user_us;
  uint64_t system_us;
  uint64_t resident_bytes_max;
};

enum order_kind { ORDER_SIGNAL = 1, ORDER_KILL = 2 };

/* Supervisor to warden. Its end of the socket closing means ORDER_KILL. */
struct order {
  int32_t kind;
  int32_t signo;
  int32_t group; /* 1: the command's process group, 0: its first process */
};

/* Never returns. `control` is one end of a SOCK_SEQPACKET pair. */
void warden_run(const struct launch *l, int control) __attribute__((noreturn));

#endif
