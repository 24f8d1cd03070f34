"""Whoever holds writer.lock: look, append, repair, raise, roll (protocol.md, chapters 3 to 7)."""

import os
from contextlib import contextmanager

from . import making
from .blocks import CHECKPOINT, HIGH, RECORDS, SEGMENT_END, UNIT, VALID, encode_block
from .blocks import shifted_if_needed
from .committed_end import open_active, scan
from .directory import Directory, Segment, segment_name
from .environment import Environment
from .errors import AppendedNotDurable, Damaged, LimitExceeded, NotAppended
from .errors import OutcomeUnknown, Refused, Removed, Unreadable
from .locks import same_file
from .records import encode_record
from .recovery import classify, save_tail
from .state import NO_BOOT, Epoch

LOCK_SECONDS = 10.0
RAISE_BODY_BYTES = 128  # more than an entry `epoch` has


class Writer:
    """The end of a stream, and all that changes it. Not for several threads at once."""

    def __init__(self, path, create=True, settings=None, environment=None,
                 lock_seconds=LOCK_SECONDS, allow_network=False):  # fmt: skip
        self.environment = environment or Environment()
        self.lock_seconds = lock_seconds
        self.process = os.getpid()
        self.repairs = []  # what was done, and why
        self.end = None
        self.known = 0  # bytes of the segment that are on disk
        self.known_once = 0  # the same, as the recovery table takes it
        self.names_synced = False  # V-7, of this segment
        self.sync_failed = False  # A-14, of this segment
        self.raised_here = False  # E-2, where the boot is unknown
        if create:
            making.create_stream(
                path, settings or {}, self.environment, lock_seconds, allow_network
            )
        self.directory = Directory(path, allow_network)
        self.lock = None
        try:
            self._open_anew()
            self.lock = self.directory.writer_lock(self.mode)
        except BaseException:
            self.close()
            raise

    # -- the frame of an append

    @property
    def segment(self):
        return self.end.segment

    @property
    def mode(self):
        """O-9: what is made beside others has their mode."""
        return self.segment.status().st_mode & 0o777

    @contextmanager
    def locked(self):
        """Under writer.lock, whose name still leads to the file locked (A-1, L-4)."""
        if self.process != os.getpid():
            raise Refused("a handle that was opened before a fork (L-3)")
        self.lock.lock(self.lock_seconds)
        try:
            yield
        finally:
            self.lock.unlock()

    def append(self, decide, durable=None):
        """Appends what `decide(writer)` returns, a list of records, or nothing for None.

        `decide` is called when the end is known (after A-5), so what is appended may depend on
        it: A-16, C-2, C-4. Returns first offset and number of records, or None; (A-12).
        """
        with self.locked():
            self.catch_up()
            records = decide(self)
            if records is None:
                return None
            body, count, has_control = encode_all(records)
            self._sync_names_first()
            self._raise_if_needed()
            self._sync_raise()
            self._clear_the_way(len(body))  # a repair may raise: before it is known where it fits
            self.roll_if_needed(body)
            first = self.end.next_offset
            self._write_block(RECORDS, body, has_control=has_control, record_count=count)
            if durable is None:
                durable = self.end.state.truth(b"durable")
            position = self.end.position
        if durable:
            self._sync_after_append(position)
        return first, count

    def _sync_after_append(self, position):
        """A-11, after A-10; a failure is mended under the lock (A-14)."""
        if self.known >= position and not self.sync_failed:
            return
        if not self.sync_failed:
            try:
                self.environment.sync_file(self.segment.fd)
                self._now_known(position)
                return
            except OSError:
                self.sync_failed = True
        try:
            with self.locked():
                self.mend()
        except Exception as error:
            raise AppendedNotDurable(str(error)) from error

    def _now_known(self, position):
        self.known = max(self.known, position)
        self.known_once = max(self.known_once, position)

    # -- is the remembered end still the committed end?

    def _open_anew(self):
        """O-3"""
        if self.end is not None and self.sync_failed:
            self.mend()  # before it is left
        self.stream_id, end = open_active(self.directory, writable=True)
        self._enter(end, made_here=False)

    def _enter(self, end, made_here):
        if self.end is not None:
            self.end.segment.close()
        self.end = end
        self.known = self.known_once = end.durable_to
        self.names_synced, self.sync_failed = made_here, False

    def catch_up(self):
        """A-2 to A-6: until the remembered end is the committed one."""
        scanned = False
        while True:
            end = self.end
            status = self.segment.status()
            if not end.still_stands():
                self._scan_again()
                scanned = True
                continue
            if status.st_nlink == 0:
                end.step_over()
                if not end.is_sealed:
                    raise Removed("the stream was removed")
            elif status.st_nlink == 1 and not end.is_sealed and self._is_clean():
                return
            found = end.step_over()
            self._read_known()
            if end.is_sealed and self._leave_sealed(status):
                scanned = False
                continue
            if status.st_nlink > 1:  # not before: sealed ones may have many
                self._refuse_second_name(status)
            if found == VALID and not scanned:  # it does not continue the chain
                self._scan_again()
                scanned = True
                continue
            if not self._is_clean():
                scanned = self._repair(scanned)
                continue
            if end.is_sealed:
                self._finish()

    def _is_clean(self):
        """Nothing but zeros behind the end (A-2, A-5): the length says nothing (F-56). All of it is
        looked at once, where the segment was opened or scanned (Z-6)."""
        end = self.end
        if self.known_once > end.position or end.first_kind != CHECKPOINT:
            return False
        if not self.segment.is_zero(end.position, UNIT if end.looked_behind else None):
            return False
        end.looked_behind = True
        return True

    def _clear_the_way(self, body_bytes):
        """Z-7: nothing stands where a block is to go, nor right behind it; else repair (A-5)."""
        block = making.block_length(body_bytes) + 2 * UNIT  # with the pad that it may need
        if not self.segment.is_zero(self.end.position, block + UNIT):
            self.end.looked_behind = False
            self.catch_up()

    def _leave_sealed(self, status):
        """Behind a segment end: on in the next segment, or anew (A-3). False: there is none."""
        number = self.segment.sequence + 1
        later = self.directory.later_than(self.segment.sequence, self.stream_id)
        if later is None:
            if status.st_nlink == 0:
                raise Removed("the stream was removed")
            return False
        if self.sync_failed:
            self.mend()  # before it is left
        if later != number:
            self._open_anew()
            return True
        try:
            following = Segment(self.directory, number, writable=True)
        except FileNotFoundError:
            self._open_anew()
            return True
        header = following.header
        if (not following.is_of(self.stream_id) or header.base_offset != self.end.next_offset
                or header.epoch != self.end.epoch):  # fmt: skip
            following.close()
            raise Damaged(f"{segment_name(number)} does not continue the segment before (F-49)")
        self._enter(scan(following, for_writing=True), made_here=False)
        return True

    def _scan_again(self):
        """A-4. What was known to be on disk counts in the recovery table alone then (A-20)."""
        self.end = scan(self.segment, for_writing=True)
        self.known = 0
        self._read_known()

    def _read_known(self):
        """A-11: the highest durable_to that was read."""
        self.known = max(self.known, self.end.durable_to)
        self.known_once = max(self.known_once, self.end.durable_to)

    def _refuse_second_name(self, status):
        """A-19; a name left by V-4 is removed, and does not count."""
        name = self.segment.name + ".new"
        try:
            other = os.stat(name, dir_fd=self.directory.fd, follow_symlinks=False)
            if same_file(other, status):
                os.unlink(name, dir_fd=self.directory.fd)
        except FileNotFoundError:
            pass
        if self.segment.status().st_nlink > 1:
            raise Refused(f"{self.segment.name} has other names, too (A-19)")

    # -- repair

    def _repair(self, scanned):
        """A-5, and chapter 5. Returns whether the segment was scanned under this lock."""
        if self.directory.later_than(self.segment.sequence, self.stream_id) is not None:
            self._open_anew()
            return False
        if not scanned:
            self._scan_again()
            return True  # and look once more
        finding = classify(self.end, self.known_once, self.environment.boot_id())
        if finding.label == "damaged":
            raise Damaged(f"{self.segment.name} at {finding.committed_end}: {finding.reason}")
        if finding.label == "unreadable":
            raise Unreadable(finding.reason)
        if finding.label == "clean":
            return True
        saved = None
        if finding.label == "lost":
            saved = save_tail(self.directory, self.segment, finding, self.environment)
        self._cut(finding.committed_end)
        if finding.label == "lost" and not self.end.is_sealed:
            self._sync_names_first()
            self._raise()
        self.repairs.append((finding, saved))
        return True

    def _cut(self, position):
        """X-5: nothing may be written before the cut is on disk; it makes nothing known."""
        os.ftruncate(self.segment.fd, position)
        try:
            self.environment.sync_file(self.segment.fd)
        except OSError:
            self.sync_failed = True
            self.mend(learn=False)

    def mend(self, learn=True):
        """Writes all that is not known to be on disk once more, then syncs (A-14, M-6).

        Under writer.lock. Of a segment that was left meanwhile nothing is here any more: it is
        mended before it is left.
        """
        end = self.end
        if learn:
            end.step_over()
        unknown = max(0, end.position - self.known)
        self.segment.write(self.known, self.segment.read(self.known, unknown))
        self.environment.sync_file(self.segment.fd)
        self.sync_failed = False
        if learn:
            self._now_known(end.position)

    def _sync_now(self, learn=True):
        """A sync under writer.lock; where it fails it is mended at once (A-14)."""
        position = self.end.position
        try:
            if self.sync_failed:
                raise OSError("an earlier sync failed")
            self.environment.sync_file(self.segment.fd)
        except OSError:
            self.sync_failed = True
            self.mend()
        if learn:
            self._now_known(position)

    # -- epochs

    def _sync_names_first(self):
        """V-7: whoever made the segment may have died between rename and sync."""
        if not self.names_synced:
            self.environment.sync_directory(self.directory.fd)
            self.names_synced = True

    def _raise_if_needed(self):
        """E-2"""
        if self._needs_epoch():
            self._clear_the_way(RAISE_BODY_BYTES)
            if self._needs_epoch():  # else a repair did it
                self._raise()

    def _needs_epoch(self):
        newest, boot = self.end.state.newest_epoch(), self.environment.boot_id()
        if boot == NO_BOOT:
            return not self.raised_here
        return newest is None or newest.boot_id != boot

    def _raise(self):
        """E-3: a block of its own, in whatever segment the end is in (V-1), then synced."""
        number = self.end.epoch + 1
        if number >= 2**32:
            raise Refused("no epochs are left")
        epoch = Epoch(
            number, self.end.next_offset, self.environment.boot_id(), self.environment.clock()
        )
        body = encode_record(epoch.entry())
        self._write_block(RECORDS, body, has_control=True, record_count=0, epoch=number)
        self._sync_now()
        self.raised_here = True

    def _sync_raise(self):
        """E-4: the block that raised the epoch must be known to be on disk."""
        if self.end.raise_end > self.known:
            self._sync_now()

    # -- writing one block

    def _write_block(self, kind, body, has_control=False, record_count=0, epoch=None,
                     timestamp=None):  # fmt: skip
        """A-8, A-9, A-12, A-13: low first, then the signal alone."""
        self._clear_the_way(len(body))
        end, segment = self.end, self.segment
        header_crc = segment.header.crc
        body, padded = shifted_if_needed(header_crc, end.position, body)
        data = encode_block(
            header_crc, end.position, kind, body,
            has_control=has_control or padded, record_count=record_count, prev_crc=end.crc,
            first_offset=end.next_offset,
            timestamp=self.environment.clock() if timestamp is None else timestamp,
            durable_to=min(self.known, end.position), epoch=end.epoch if epoch is None else epoch,
        )  # fmt: skip
        try:
            segment.write(end.position, data)
        except BaseException as error:
            self._give_up()
            if isinstance(error, OSError):
                raise NotAppended(str(error)) from error
            raise
        try:
            segment.write(end.position, bytes([HIGH]))
        except OSError as error:
            self._read_signal_back(error)
        found = end.check_next()
        if found[1] is None:
            raise OutcomeUnknown("the block that was written is not there")
        end.pass_over(found[1])

    def _give_up(self):
        """A-12: cut what was written; else it stays low for the next repair."""
        try:
            os.ftruncate(self.segment.fd, self.end.position)
        except OSError:
            pass

    def _read_signal_back(self, error):
        """A-13"""
        try:
            signal = self.segment.read(self.end.position, 1)
        except Unreadable as unreadable:
            raise OutcomeUnknown(str(unreadable)) from error
        if signal == b"\x00":
            self._give_up()
            raise NotAppended(str(error)) from error
        if signal != bytes([HIGH]):
            raise OutcomeUnknown("the signal is neither high nor low") from error

    # -- the next segment

    def roll_if_needed(self, body):
        """V-1, of the block as it would stand here."""
        end = self.end
        shifted, _ = shifted_if_needed(self.segment.header.crc, end.position, body)
        length = making.block_length(len(shifted))
        if end.position == end.opening_end:
            return
        most = end.state.number(b"segment_bytes")
        if end.position + length - end.opening_end <= most:
            return
        self.roll()

    def roll(self):
        """V-2, V-3, V-10: look, seal, then make the next."""
        number = self.segment.sequence + 1
        if self.directory.exists(number):
            raise Refused(f"{segment_name(number)} is there, and is not of this stream (V-10)")
        index = self.end.index.entry()
        body = encode_record(index) if index else b""
        self._write_block(
            SEGMENT_END, body, has_control=bool(body), timestamp=self.end.highest_time
        )
        self._finish()

    def _finish(self):
        """V-3's cut and sync, V-4 and V-5 (V-6)."""
        os.ftruncate(self.segment.fd, self.end.position)
        self._sync_now()
        header = making.following_header(self.end, self.environment.clock())
        making.make_segment(
            self.directory, header, self.end.state, self.end.highest_time, self.mode,
            self.environment,
        )  # fmt: skip
        following = Segment(self.directory, header.sequence, writable=True)
        self._enter(scan(following, for_writing=True), made_here=True)

    def close(self):
        """In a forked child this only closes (L-3)."""
        if self.lock is not None:
            self.lock.close()
        if self.end is not None:
            self.segment.close()
        if getattr(self, "directory", None) is not None:
            self.directory.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def encode_all(records):
    """The body of a block, how many offsets it takes, and whether it has control records."""
    if not records:
        raise Refused("a block without records")
    body = b"".join(encode_record(record) for record in records)
    count = sum(not record.control for record in records)
    if len(body) > making.MAX_BODY_BYTES:
        raise LimitExceeded(f"a block of {len(body)} bytes")
    return body, count, any(record.control for record in records)


