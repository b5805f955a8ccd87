/* Where file operations may go. A path is followed one component at a time from a root that was
 * opened at start, and a symbolic link in any place is refused, so that nothing planted inside
 * can lead a request elsewhere between a check and its use. */
#ifndef PATH_H
#define PATH_H

#include <limits.h>

enum { ROOTS_MAX = 8 };

struct place {
  int directory; /* of the last component; the caller closes it */
  char name[NAME_MAX + 1]; /* "." when the path is a root itself */
};

struct refusal {
  int code; /* enum error_code */
  int number; /* errno, 0 when the path itself is at fault */
};

/* Adds a root; one that does not exist is left out. 0 when there are too many. */
int path_add_root(const char *path);
/* Finds the place of an absolute path. With `make_parents` missing directories are made. */
int path_find(const char *path, int make_parents, struct place *out, struct refusal *why);

#endif
