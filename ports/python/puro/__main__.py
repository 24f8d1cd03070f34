"""A small command line: `python3 -m puro produce|consume|verify|repair|info|create`."""

import argparse
import base64
import json
import os
import sys

from . import Damaged, Diverged, NamedConsumer, NeedsRepair, OutOfRange, Producer, PuroError
from . import Reader, Record, Refused, Token, verify
from .committed_end import open_active
from .directory import Directory

NEEDS_REPAIR, DATA, USAGE, SYSTEM = 1, 2, 64, 74
EXIT_CODES = {"sound": 0, "needs repair": NEEDS_REPAIR, "damaged": DATA, "unreadable": SYSTEM}


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except NeedsRepair as error:
        return tell(error, NEEDS_REPAIR)
    except (Damaged, Diverged, OutOfRange) as error:
        return tell(error, DATA)
    except Refused as error:
        return tell(error, USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (PuroError, OSError) as error:
        return tell(error, SYSTEM)


def tell(error, code):
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return code


def parser():
    top = argparse.ArgumentParser(prog="python3 -m puro")
    commands = top.add_subparsers(required=True)

    def command(name, run):
        made = commands.add_parser(name, help=run.__doc__)
        made.add_argument("directory")
        made.set_defaults(run=run)
        return made

    made = command("create", create)
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    made = command("produce", produce)
    made.add_argument("-t", "--topic", required=True)
    made.add_argument("-k", "--key")
    made.add_argument("--batch", type=int, default=1, help="lines in a block")
    made.add_argument("--durable", action="store_true", default=None)
    made.add_argument("--ack", action="store_true", help="print offset and count of each block")
    made = command("consume", consume)
    made.add_argument("--from", dest="start", default="beginning",
                      help="beginning, end, an offset, @milliseconds, or a token")  # fmt: skip
    made.add_argument("--name", help="keep the position under this name")
    made.add_argument("-e", "--exit", action="store_true", help="stop at the end")
    made.add_argument("-c", "--count", type=int)
    made.add_argument("--json", action="store_true")
    made.add_argument("--durable", action="store_true")
    command("verify", check)
    command("repair", repair)
    command("info", info)
    return top


def create(options):
    """make a stream"""
    settings = dict(each.encode().split(b"=", 1) for each in options.set)
    Producer(options.directory, settings=settings).close()
    return 0


def produce(options):
    """append lines of stdin"""
    topic, key = options.topic.encode(), options.key and options.key.encode()
    with Producer(options.directory, durable=options.durable) as producer:

        def send(batch):
            if batch:
                done = producer.append_batch([Record(topic, line, key) for line in batch])
                for finding, _ in done.repairs:
                    print(f"repaired: {finding.label}", file=sys.stderr)
                if options.ack:
                    print(done.first_offset, done.count, flush=True)

        batch = []
        for line in sys.stdin.buffer:
            batch.append(line.rstrip(b"\n"))
            if len(batch) >= options.batch:
                send(batch)
                batch = []
        send(batch)
    return 0


def consume(options):
    """print records"""
    if options.name:
        consumer = NamedConsumer(options.directory, options.name)
        reader = consumer.reader
    else:
        consumer = reader = Reader(options.directory, durable=options.durable)
        seek(reader, options.start)
    left = options.count
    with consumer:
        while left is None or left > 0:
            block = reader.next_block()
            if block is None and options.exit:
                break
            if block is None:
                block = next(reader.follow(), [])
            token = None
            if left is not None and len(block) > left:
                block = block[:left]
                token = Token(reader.stream_id, reader.end.epoch, block[-1].offset + 1)
            for delivered in block:
                line = as_json(delivered).encode() if options.json else delivered.record.value or b""
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
            if options.name:
                consumer.commit(token)
            left = left - len(block) if left is not None else None
        if options.name:
            consumer.commit(token if left == 0 else None)
        if options.exit and left != 0:
            problem = reader.problem_at_end()
            if problem:
                raise problem
    return 0


def seek(reader, start):
    if start == "end":
        reader.seek_end()
    elif start.startswith("@"):
        reader.seek_time(int(start[1:]))
    elif ":" in start:
        reader.seek_token(Token.parse(start))
    elif start != "beginning":
        reader.seek_offset(int(start))


def as_json(delivered):
    record, fields = delivered.record, {"offset": delivered.offset}
    fields["timestamp_ms"] = delivered.timestamp
    for name in ("topic", "key", "value"):
        put(fields, name, getattr(record, name))
    if record.headers:
        fields["headers"] = []
        for name, value in record.headers:
            header = {}
            put(header, "name", name)
            put(header, "value", value)
            fields["headers"].append(header)
    return json.dumps(fields)


def put(fields, name, value):
    """Bytes that are not UTF-8 go in as NAME_base64."""
    try:
        fields[name] = None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        fields[name + "_base64"] = base64.b64encode(value).decode("ascii")


def check(options):
    """say whether a reader can read all of it"""
    verdict, records, problem = verify(options.directory)
    print(f"{options.directory}: {verdict} ({records} records)" + (f": {problem}" * bool(problem)))
    return EXIT_CODES[verdict]


def repair(options):
    """cut off what a dead writer left"""
    with Producer(options.directory, create=False) as producer:
        for finding, saved in producer.repair():
            print(f"{finding.label}: cut at {finding.committed_end}, saved: {saved}")
    return 0


def info(options):
    """print the token of the end, and all positions"""
    directory = Directory(options.directory)
    stream_id, end = open_active(directory)
    print(Token(stream_id, end.epoch, end.next_offset))
    for name, position in end.state.positions().items():
        print(name.decode(), position.epoch, position.offset)
    end.segment.close()
    directory.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
