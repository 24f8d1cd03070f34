"""The driver by which `puro-kit` judges this port: a request a line, an answer a line (spec/kit.md)."""

import json
import sys

from . import errors
from .blocks import Block, Header, Previous, Start
from .blocks import check_block, decode_header, encode_block, start_standing
from .committed_end import open_active
from .directory import Directory, check_own_name
from .environment import Environment
from .making import create_stream
from .named_consumer import NamedConsumer
from .numbers import crc32c, decode_varint, encode_varint
from .producer import Producer
from .reader import Reader
from .records import Record, decode_body, encode_record
from .recovery import classify
from .state import State, Token, setting_entry

IS = ["nothing", "invalid", "valid", "good", "committed"]
WORDS = [
    (errors.Foreign, "foreign"), (errors.Newer, "newer"), (errors.Damaged, "damaged"),
    (errors.NeedsRepair, "damaged"), (errors.NotAStream, "not_a_stream"),
    (errors.Diverged, "diverged"), (errors.OutOfRange, "out_of_range"),
    (errors.Removed, "removed"), (errors.LockTimeout, "busy"),
    (errors.ConditionFailed, "conflict"), (errors.PositionChanged, "conflict"),
    (errors.Refused, "refused"), (errors.PuroError, "system"), (OSError, "system"),
]  # fmt: skip
handles = {}


class Given(Environment):
    """The clock, the boot and the random bytes that a request gives."""

    def __init__(self, request):
        self.take(request)

    def take(self, request):
        self.request = request

    def clock(self):
        return self.request.get("clock", super().clock())

    def boot_id(self):
        boot = self.request.get("boot")
        return super().boot_id() if boot is None else bytes.fromhex(boot)

    def stream_id(self):
        random = self.request.get("random")
        return super().stream_id() if random is None else bytes.fromhex(random)


def raw(request, name):
    value = request.get(name)
    return None if value is None else bytes.fromhex(value)


def record_of(fields):
    headers = tuple((bytes.fromhex(n), bytes.fromhex(v)) for n, v in fields.get("headers") or ())
    return Record(raw(fields, "topic"), raw(fields, "value"), raw(fields, "key"), headers)


def shown(record, **more):
    fields = {"topic": record.topic.hex(), **more}
    for name in ("key", "value"):
        if getattr(record, name) is not None:
            fields[name] = getattr(record, name).hex()
    if record.headers:
        fields["headers"] = [[name.hex(), value.hex()] for name, value in record.headers]
    return fields


def delivered(each):
    return shown(each.record, offset=each.offset, time=each.timestamp)


def numbers_of(start):
    names = ("kind", "flags", "body_len", "record_count", "prev_crc", "first_offset", "timestamp",
             "durable_to", "epoch")  # fmt: skip
    return {name: getattr(start, name) for name in names}


# -- bytes


def hello(request):
    return {"name": "puro in Python", "requests": list(REQUESTS)}


def crc(request):
    return {"crc": crc32c(raw(request, "bytes"))}


def varint(request):
    data = raw(request, "bytes")
    value, length = decode_varint(data, 0, len(data))
    return {"value": value, "length": length}


def to_varint(request):
    return {"bytes": encode_varint(request["value"]).hex()}


def header(request):
    found = decode_header(raw(request, "bytes"), request.get("write", False))
    names = ("base_offset", "created", "sequence", "generation", "epoch")
    return {"stream_id": found.stream_id.hex(), **{name: getattr(found, name) for name in names}}


def to_header(request):
    names = ("base_offset", "created", "sequence", "generation", "epoch")
    made = Header(raw(request, "stream_id"), *(request[name] for name in names))
    return {"bytes": made.encode().hex()}


def start(request):
    found = start_standing(raw(request, "bytes"), request["header_crc"], request["position"])
    if found is None:
        raise errors.Damaged("no start stands here")
    return numbers_of(found)


def block(request):
    data, position = raw(request, "bytes"), request["position"]
    previous = Previous(request["prev_crc"], request["next_offset"], request["generation"])

    def read(at, size):
        return data[at - position : at - position + size]

    found, made = check_block(read, request["header_crc"], position, previous)
    if made is None:
        return {"is": IS[found]}
    return {"is": IS[found], "start": numbers_of(made.start), "crc": made.crc}


def to_block(request):
    made = encode_block(
        request["header_crc"], request["position"], request["kind"], raw(request, "body"),
        has_control=request["control"], record_count=request["record_count"],
        prev_crc=request["prev_crc"], first_offset=request["first_offset"],
        timestamp=request["timestamp"], durable_to=request["durable_to"],
        epoch=request["epoch"], signal=request["signal"],
    )  # fmt: skip
    return {"bytes": made.hex()}


def records(request):
    body = raw(request, "body")
    start = Start(0xA5, request["kind"], int(request["control"]), len(body),
                  request["record_count"], 0, request["first_offset"], 0, 0, 1, 0)  # fmt: skip
    found = decode_body(Block(0, start, body, 0, b""), request["generation"])
    return {"records": [shown(each, offset=at) for at, each in found if at is not None]}


def to_record(request):
    return {"bytes": encode_record(record_of(request)).hex()}


def setting(request):
    state, name = State(), raw(request, "name")
    state.fold(setting_entry(name, raw(request, "value")))
    return {"value": state.setting_text(name)}


def name(request):
    check_own_name(request["name"])
    return {}


def token(request):
    try:
        found = Token.parse(request["text"])
    except ValueError as error:
        raise errors.Refused(str(error)) from error
    return {"stream_id": found.stream_id.hex(), "epoch": found.epoch, "offset": found.offset,
            "text": str(found)}  # fmt: skip


# -- directories


def active(request):
    directory = Directory(request["dir"])
    try:
        _, end = open_active(directory)
    finally:
        directory.close()
    return end


def info(request):
    end = active(request)
    end.segment.close()
    state = [[kind.hex(), key.hex(), value.hex()]
             for (kind, key), value in sorted(end.state.entries.items())]  # fmt: skip
    return {"stream_id": end.segment.header.stream_id.hex(), "segment": end.segment.sequence,
            "end": end.position, "next_offset": end.next_offset, "epoch": end.epoch,
            "state": state}  # fmt: skip


def tail(request):
    end = active(request)
    finding = classify(end, 0, Given(request).boot_id())
    end.segment.close()
    return {"label": finding.label, "end": finding.committed_end, "length": finding.length}


def read(request):
    found, then = [], "end"
    with Reader(request["dir"], Given(request)) as reader:
        start = request.get("from", "beginning")
        if isinstance(start, int):
            reader.seek_offset(start)
        elif start == "end":
            reader.seek_end()
        elif start.startswith("@"):
            reader.seek_time(int(start[1:]))
        elif start != "beginning":
            reader.seek_token(Token.parse(start))
        try:
            while (block := reader.next_block()) is not None:
                found += map(delivered, block)
        except (errors.PuroError, OSError) as error:
            then = "damaged" if isinstance(error, errors.Foreign) else word_of(error)
        return {"records": found, "then": then, "token": str(reader.token)}


def create(request):
    settings = {name.encode(): value.encode() for name, value in request["settings"].items()}
    try:
        return {"made": create_stream(request["dir"], settings, Given(request), wait(request))}
    except errors.NotAStream as error:
        raise errors.Refused(str(error)) from error  # O-2


def wait(request):
    return request.get("lock_ms", 10_000) / 1000


class Held:
    """What a handle is: a producer or a consumer, and the world that each request gives it."""

    def __init__(self, request, kind):
        self.given = Given(request)
        if kind is NamedConsumer:
            self.it = NamedConsumer(request["dir"], request["name"], self.given,
                                    request.get("lock_ms", 0) / 1000)  # fmt: skip
        else:
            self.it = Producer(request["dir"], create=False, environment=self.given,
                               lock_seconds=wait(request))  # fmt: skip
        self.left = []  # delivered by the port, not yet taken


def with_handle(kind):
    def frame(act):
        def answer(request):
            handle = request.get("handle")
            held = handles.get(handle)
            if held is None:
                held = Held(request, kind)
            if handle is not None:
                handles[handle] = held
            try:
                held.given.take(request)
                return act(held, request)
            finally:
                if handle is None:
                    held.it.close()

        return answer

    return frame


@with_handle(Producer)
def append(held, request):
    batch = [record_of(each) for each in request["records"]]
    durable = request.get("durable")
    if request.get("identity") is not None:
        return {"error": "unsupported"}
    if request.get("if_end") is not None:
        done = held.it.append_if(Token.parse(request["if_end"]), batch, durable)
    else:
        done = held.it.append_batch(batch, durable)
    return {"first_offset": done.first_offset, "count": done.count}


@with_handle(Producer)
def set_setting(held, request):
    value = request.get("value")
    held.it.set(request["name"].encode(), None if value is None else value.encode())
    return {}


def repair(request):
    with Producer(request["dir"], create=False, environment=Given(request),
                  lock_seconds=wait(request)) as producer:  # fmt: skip
        found = producer.repair()
    return {"repairs": [{"label": each.label, "position": each.committed_end}
                        for each, _ in found]}  # fmt: skip


@with_handle(NamedConsumer)
def consume(held, request):
    consumer, taken = held.it, []
    most = request.get("take", 2**64)
    while len(taken) < most:
        if not held.left:
            held.left = consumer.next_block() or []
            if not held.left:
                break
        more = most - len(taken)
        taken, held.left = taken + held.left[:more], held.left[more:]
    reader = consumer.reader
    offset = held.left[0].offset if held.left else reader.offset
    place = Token(reader.stream_id, reader.end.epoch, offset)
    if request.get("commit"):
        if request.get("records") is not None:
            consumer.commit_with([record_of(each) for each in request["records"]], place)
        else:
            consumer.commit(place)
    return {"records": [delivered(each) for each in taken], "token": str(place)}


def close(request):
    held = handles.pop(request["handle"], None)
    if held is not None:
        held.it.close()
    return {}


# No `verify`: that of this port finds what makes a reader stop, and not all of K-9 and K-14.
REQUESTS = {
    "hello": hello, "crc": crc, "varint": varint, "to_varint": to_varint, "header": header,
    "to_header": to_header, "start": start, "block": block, "to_block": to_block,
    "records": records, "to_record": to_record, "setting": setting, "name": name,
    "token": token, "info": info, "classify": tail, "read": read, "create": create,
    "append": append, "set": set_setting, "repair": repair, "consume": consume, "close": close,
}  # fmt: skip


def word_of(error):
    return next(word for kind, word in WORDS if isinstance(error, kind))


def answer(line):
    request = json.loads(line)
    if request.get("do") not in REQUESTS:
        return {"error": "unsupported"}
    try:
        return REQUESTS[request["do"]](request)
    except (errors.PuroError, OSError) as error:
        word = word_of(error)
        if word == "foreign" and request["do"] != "header":
            word = "damaged"  # F-9
        return {"error": word, "text": str(error)}


def main():
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
