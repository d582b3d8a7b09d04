"""Faults of the operating system: C libraries loaded before libc."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import RunningDaemon

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

QUOTA = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t write(int file, const void *data, size_t count) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    int refused = length > 0 && strstr(path, getenv("REFUSED"));
    if (refused && access(getenv("QUOTA"), F_OK) == 0) { errno = EDQUOT; return -1; }
    return syscall(SYS_write, file, data, count);
}
"""
"""While the file $QUOTA exists, writes to paths that contain $REFUSED fail with EDQUOT."""

AWAY = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
enum { CURRENT = -100 }; /* AT_FDCWD: <fcntl.h> declares the functions otherwise */
static int opened(int folder, const char *path, int flags, int mode) {
    int is_away = strncmp(path, getenv("SHARED"), strlen(getenv("SHARED"))) == 0;
    if (is_away && syscall(SYS_access, getenv("AWAY"), F_OK) == 0) { errno = EIO; return -1; }
    return syscall(SYS_openat, folder, path, flags, mode);
}
int open(const char *path, int flags, int mode) { return opened(CURRENT, path, flags, mode); }
int open64(const char *path, int flags, int mode) { return opened(CURRENT, path, flags, mode); }
int openat(int folder, const char *path, int flags, int mode) { return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, int mode) { return opened(folder, path, flags, mode); }
"""
"""While the file $AWAY exists, files in the folder $SHARED cannot be opened: EIO, as if its server was away."""

CLOCK = """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long jump = 0;
    int code = syscall(SYS_clock_gettime, clock, now);
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("CLOCK_JUMP"), "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &jump) == 1) now->tv_sec += jump; fclose(file); }
    return code;
}
"""
"""The wall clock is ahead by the seconds in the file $CLOCK_JUMP."""


def compiled(shim: str, folder: Path) -> str:
    """Compile a shim to a library for LD_PRELOAD; returns its path."""
    (folder / "shim.c").write_text(shim)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c"], check=True)
    return str(folder / "shim.so")


def exhaust(daemon: RunningDaemon, refused: str, folder: Path) -> Path:
    """Make the disk refuse writes to paths that contain `refused` while the returned file exists."""
    quota = folder / "quota"
    quota.touch()
    daemon.environment = {"LD_PRELOAD": compiled(QUOTA, folder), "QUOTA": str(quota), "REFUSED": refused}
    return quota
