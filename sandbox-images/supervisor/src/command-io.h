/* How a command's bytes move; used by command.c only. */
#ifndef COMMAND_IO_H
#define COMMAND_IO_H

#include "command.h"

/* Writes what the command's input takes, and closes it after the last byte. */
void command_push_input(struct command *c);

#endif
