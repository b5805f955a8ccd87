/* What a warden needs to turn into a running command. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

struct launch {
  const char *cwd;
  char **argv;
  char **envp;
  int in; /* the three ends the command gets; with a terminal all are its slave */
  int out;
  int err;
  int pty;
  int keep_descendants;
};

struct launched {
  pid_t pid;  /* 0 when the program did not start */
  int stage;  /* enum error_code of what failed */
  int number; /* errno of what failed */
};

/* Starts the program in a session and process group of its own, every signal as in a fresh
 * process, and reports why it did not start. The caller has blocked all signals. */
struct launched launch(const struct launch *l);

#endif
