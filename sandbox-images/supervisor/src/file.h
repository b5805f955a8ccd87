/* One file operation as a channel of the pipe. It reads, lists and probes as fast as the reader
 * gives credit, from the file itself, so nothing is buffered; it ends with RESULT or ERROR and
 * does not outlive an attach. */
#ifndef FILE_H
#define FILE_H

#include "decode.h"
#include "out.h"
#include "path.h"

#include <dirent.h>
#include <sys/stat.h>

struct file_op {
  uint32_t channel;
  uint8_t type; /* FRAME_READ … */
  int fd;
  DIR *listing;
  struct place place; /* directory -1 when none is held */
  char temporary[40]; /* name of the file being written, "" when there is none */
  uint32_t mode;
  uint64_t limit;     /* bytes to read or entries to list at most */
  uint64_t passed;    /* bytes or entries so far */
  uint64_t sent;      /* stream offset */
  uint64_t credited;  /* stream offset the reader has acknowledged, or we have, when writing */
  struct stat status;
  int section; /* of a probe */
  int has_status;
  int told_status;
  int done;
  int cut; /* there is more than the limit let through */
  struct refusal refusal;
  int told_end;
};

/* 0 means a violation of the protocol. */
int file_start(struct file_op *f, const struct frame *frame);
int file_input(struct file_op *f, uint64_t offset, const uint8_t *bytes, size_t length);
int file_input_end(struct file_op *f, uint64_t offset);
int file_credit(struct file_op *f, int stream, uint64_t offset);
int file_compose(struct file_op *f, struct out *o);
/* Also undoes a write that was not finished. */
void file_free(struct file_op *f);

#endif
