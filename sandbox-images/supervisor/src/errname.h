/* The name of an errno, because its number differs between systems and the orchestrator may run
 * on another one than the sandbox. */
#ifndef ERRNAME_H
#define ERRNAME_H

/* Writes at most `size` bytes, NUL included; unknown numbers become "E<number>". */
void errno_name(int number, char *out, unsigned long size);

#endif
