/* Finds and ends processes by kinship, read from /proc. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends SIGKILL to every descendant of `root` except the processes in `spared` and what descends
 * from them. Descendants are stopped first, so that none forks away while others are killed.
 * Returns how many were found; the caller repeats until there is none. */
size_t kill_descendants(pid_t root, const pid_t *spared, size_t spared_count);

#endif
