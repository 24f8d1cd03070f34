"""The clock, the boot, randomness and syncs: what tests put others in place of."""

import os
import time

from .state import NO_BOOT


class Environment:
    def clock(self):
        """Milliseconds since 1970 (F-5)."""
        return time.time_ns() // 1_000_000

    def boot_id(self):
        """16 bytes (M-9); sixteen zeros where it is unknown (M-7, F-35)."""
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                found = bytes.fromhex(file.read().strip().replace("-", ""))
        except (OSError, ValueError):
            return NO_BOOT
        return found if len(found) == 16 else NO_BOOT

    def stream_id(self):
        return os.urandom(16)

    def sync_file(self, fd):
        """M-5"""
        os.fdatasync(fd)

    def sync_directory(self, fd):
        """M-5"""
        os.fsync(fd)
