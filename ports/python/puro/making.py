"""New segments and new streams (protocol.md O-1, O-2, V-4, V-5; format.md F-37, F-49)."""

import os

from .blocks import CHECKPOINT, HEADER_BYTES, HIGH, Header, block_length, encode_block
from .blocks import shifted_if_needed
from .directory import KNOWN_NAME, SEGMENT_NAME, Directory, open_without_following, segment_name
from .errors import NotAStream, Refused
from .locks import LockFile
from .records import MAX_BODY_BYTES
from .state import Epoch, State, setting_entry

__all__ = ["MAX_BODY_BYTES", "block_length", "create_stream", "following_header", "make_segment"]


def following_header(end, created):
    """The header of the segment behind a segment end (F-49)."""
    header = end.segment.header
    return Header(
        stream_id=header.stream_id, base_offset=end.next_offset, created=created,
        sequence=header.sequence + 1, generation=0, epoch=end.epoch,
    )  # fmt: skip


def segment_bytes(header, state, timestamp):
    """Header and opening checkpoints, all signals high (V-4, F-37, F-23)."""
    head = header.encode()
    crc = int.from_bytes(head[60:64], "little")
    bodies, position = [], HEADER_BYTES
    for body in state.checkpoint_bodies():
        shifted, padded = shifted_if_needed(crc, position, body)
        bodies.append((position, shifted, bool(body) or padded))
        position += block_length(len(shifted))
    whole, prev_crc = [head], crc
    for place, body, has_control in bodies:
        block = encode_block(
            crc, place, CHECKPOINT, body, has_control=has_control, record_count=0,
            prev_crc=prev_crc, first_offset=header.base_offset, timestamp=timestamp,
            durable_to=position, epoch=header.epoch, signal=HIGH,
        )  # fmt: skip
        prev_crc = int.from_bytes(block[-4:], "little")
        whole.append(block)
    return b"".join(whole)


def make_segment(directory, header, state, timestamp, mode, environment):
    """Writes the next segment under its temporary name, syncs, and names it (V-4, V-5, F-45)."""
    name = segment_name(header.sequence)
    temporary = name + ".new"
    try:
        os.unlink(temporary, dir_fd=directory.fd)
    except FileNotFoundError:
        pass
    fd = open_without_following(
        temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, directory.fd, mode
    )
    try:
        os.fchmod(fd, mode)  # O-9, whatever the umask says
        data = segment_bytes(header, state, timestamp)
        at = 0
        while at < len(data):
            at += os.pwrite(fd, data[at:], at)
        environment.sync_file(fd)
    finally:
        os.close(fd)
    if directory.exists(header.sequence):
        raise Refused(f"a stray has the name {name} (V-5)")
    os.rename(temporary, name, src_dir_fd=directory.fd, dst_dir_fd=directory.fd)
    environment.sync_directory(directory.fd)


def create_stream(path, settings, environment, lock_seconds, allow_network=False):
    """O-1; fine if it is there already. Settings are of a new stream alone. Was it made?"""
    made = False
    try:
        os.mkdir(path)
        made = True
    except FileExistsError:
        pass
    directory = Directory(path, allow_network)
    lock = LockFile(directory.fd, "writer.lock")
    try:
        names = os.listdir(directory.fd)
        if any(SEGMENT_NAME.fullmatch(name) for name in names):
            return False
        if not all(KNOWN_NAME.fullmatch(name) for name in names):
            raise NotAStream(f"{path} holds other things, and no stream (O-2)")
        lock.lock(lock_seconds)
        if any(SEGMENT_NAME.fullmatch(name) for name in os.listdir(directory.fd)):
            return False  # somebody else was faster
        _sync_parent(path, environment)
        now = environment.clock()
        state = State()
        state.fold(Epoch(1, 0, environment.boot_id(), now).entry())
        for key, value in settings.items():
            state.fold(setting_entry(key, value))
        header = Header(
            stream_id=environment.stream_id(), base_offset=0, created=now, sequence=0,
            generation=0, epoch=1,
        )  # fmt: skip
        mode = os.fstat(directory.fd).st_mode & 0o666 if made else 0o644
        make_segment(directory, header, state, 0, mode, environment)
        return True
    finally:
        lock.close()
        directory.close()


def _sync_parent(path, environment):
    parent = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        environment.sync_directory(parent)
    finally:
        os.close(parent)
