/* How often the kernel has killed a process of this sandbox for want of memory. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

/* 0 where the control group does not say. */
uint64_t memory_kills(void);

#endif
