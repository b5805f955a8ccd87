#include "errname.h"

#include <errno.h>
#include <stdio.h>

static const struct {
  int number;
  const char *name;
} NAMES[] = {
    {EPERM, "EPERM"},     {ENOENT, "ENOENT"},   {EIO, "EIO"},         {ENXIO, "ENXIO"},
    {E2BIG, "E2BIG"},     {ENOEXEC, "ENOEXEC"}, {EAGAIN, "EAGAIN"},   {ENOMEM, "ENOMEM"},
    {EACCES, "EACCES"},   {EFAULT, "EFAULT"},   {EBUSY, "EBUSY"},     {EEXIST, "EEXIST"},
    {EXDEV, "EXDEV"},     {ENODEV, "ENODEV"},   {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"},
    {EINVAL, "EINVAL"},   {ENFILE, "ENFILE"},   {EMFILE, "EMFILE"},   {ETXTBSY, "ETXTBSY"},
    {EFBIG, "EFBIG"},     {ENOSPC, "ENOSPC"},   {EROFS, "EROFS"},     {EMLINK, "EMLINK"},
    {EPIPE, "EPIPE"},     {ELOOP, "ELOOP"},     {EDQUOT, "EDQUOT"},   {ENAMETOOLONG, "ENAMETOOLONG"},
    {ENOSYS, "ENOSYS"},   {ESTALE, "ESTALE"},   {ENOTEMPTY, "ENOTEMPTY"},
    {EADDRINUSE, "EADDRINUSE"}, {EADDRNOTAVAIL, "EADDRNOTAVAIL"}, {EAFNOSUPPORT, "EAFNOSUPPORT"},
};

void errno_name(int number, char *out, unsigned long size) {
  for (unsigned long i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    if (NAMES[i].number == number) {
      snprintf(out, size, "%s", NAMES[i].name);
      return;
    }
  snprintf(out, size, "E%d", number);
}
