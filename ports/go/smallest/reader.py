#!/usr/bin/env python3
"""The smallest reader of Puro: the table "A reader" of smallest-port.md, and nothing more. With a directory it
prints each record's value as a line, and waits for more; without, it answers puro-kit's requests (kit.md)."""
import fcntl, json, os, re, stat, struct, sys, time
class Error(Exception):
    """One of the kit's words."""
def need(truth, word="damaged"):
    if not truth:
        raise Error(word)
TABLE = []  # of CRC-32C (F-3)
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)

def crc(data, before=0):
    c = before ^ 0xFFFFFFFF
    for b in data:
        c = TABLE[(c ^ b) & 255] ^ c >> 8
    return c ^ 0xFFFFFFFF

def varint(b, at=0):  # F-2
    n = 0
    for i in range(min(10, len(b) - at)):
        n |= (b[at + i] & 127) << 7 * i
        if b[at + i] < 128:
            need((b[at + i] or not i) and n < 1 << 64)
            return n, at + i + 1
    need(False)

def parse_header(b, write=False):  # F-12
    need(b[:8] == b"\x8bPURO\r\n\x1a", "foreign")
    need(len(b) >= 64 and crc(b[:60]) == struct.unpack_from("<I", b, 60)[0])
    version, _, read_compatible, incompatible = struct.unpack_from("<4H", b, 8)
    need(version == 1 and not incompatible and not (write and read_compatible), "newer")
    names = "base_offset created sequence generation epoch crc".split()
    return dict(zip(names, struct.unpack_from("<2Q4I", b, 32)), stream_id=b[16:32].hex())
FIELDS = "signal kind flags body_len record_count prev_crc first_offset timestamp durable_to epoch start_crc".split()

def parse_start(b, header_crc, position):  # F-15 to F-20; None where no start stands (F-43)
    if len(b) < 48:
        return None
    s = dict(zip(FIELDS, struct.unpack("<BBHIIIQQQII", b[:48])))
    if s["start_crc"] != crc(b[1:44], crc(struct.pack("<IQ", header_crc, position))):
        return None
    can = s["kind"] in (1, 2, 3) and s["flags"] < 2 and s["body_len"] <= 1 << 24
    can = can and (s["body_len"] if s["kind"] == 1 else not s["record_count"])
    return s if can and s["first_offset"] + s["record_count"] < 1 << 64 else None

def check(read, header_crc, position, prev_crc, next_offset, generation):  # F-24
    """What stands at a position: one of the kit's words, the start, and the body."""
    b = read(position, 48)
    if len(b) < 48:
        return "nothing", None, b""
    s = parse_start(b, header_crc, position)
    if not s or s["signal"] not in (0, 0xA5):
        return "invalid", None, b""
    end = 48 + s["body_len"]
    s["length"] = length = (end + 8 + 63) // 64 * 64
    rest = read(position + 48, length - 48)
    if len(rest) < length - 48 or any(rest[end - 48:-8]):
        return "invalid", None, b""
    body_len, s["crc"] = struct.unpack("<II", rest[-8:])
    if body_len != s["body_len"] or s["crc"] != crc(rest[:-4], s["start_crc"]):
        return "invalid", None, b""
    first = s["first_offset"]
    if s["prev_crc"] != prev_crc or first < next_offset or generation == 0 and first != next_offset:  # F-21
        return "valid", s, b""
    return "committed" if s["signal"] else "good", s, rest[:end - 48]

def parse_record(b, at):  # F-26 to F-31
    length, begin = varint(b, at + 4)
    end = begin + length
    need(length and end <= len(b) and struct.unpack_from("<I", b, at)[0] == crc(b[at + 4:end]))
    attributes, place, r = b[begin], begin + 1, {}

    def field(least, most):
        nonlocal place
        n, place = varint(b[:end], place)
        need(least <= n <= min(most, end - place))
        place += n
        return b[place - n:place].hex()

    r["topic"] = field(1, 1024)
    if attributes & 1:
        r["key"] = field(0, 1024)
    if attributes & 4:
        before, r["headers"] = place, []
        count, place = varint(b[:end], place)
        while len(r["headers"]) < count:
            r["headers"].append([field(1, 65536), field(0, 65536)])
            need(place - before <= 65536)
    if attributes & 2:
        r["value"] = b[place:end].hex()
    need(attributes & 2 or attributes & 1 and place == end)  # F-27
    need(attributes < 16 and attributes & 12 != 12 and r.get("headers") != [] and end - place <= 10 << 20)
    return r, bool(attributes & 8), end

def parse_body(s, body):
    """The records of users with their offsets (F-29); at damage those before it, and the error (R-3)."""
    out, offset, at, behind_gap, control = [], s["first_offset"], 0, False, False
    stop = offset + s["record_count"]
    try:
        while at < len(body):
            r, is_control, at = parse_record(body, at)
            control |= is_control
            take, gap = 0 if is_control else 1, is_control and r["topic"] == b"gap".hex() and "key" not in r
            if gap:  # F-33
                take, end = varint(bytes.fromhex(r["value"]))
                need(2 * end == len(r["value"]) and take and not behind_gap)
            need(offset + take <= stop)  # F-18
            if not is_control:
                out.append(dict(r, offset=offset))
            offset, behind_gap = offset + take, gap
        need(offset == stop and control == (s["flags"] == 1))  # F-17, F-18
    except (Error, struct.error):
        return out, Error("damaged")
    return out, None

class Segment:
    """A segment's file, held under a shared lock, and a place in it (R-2)."""
    def __init__(self, directory, number):
        self.number, self.name, self.fd = number, os.path.join(directory, "%010d.puro" % number), None
        self.error, self.ended = None, False
        while self.fd is None or not self.named():
            self.close()  # the name leads elsewhere by now: start over
            try:  # F-54
                self.fd = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as e:  # a link, a socket
                self.error = Error("refused")
                if isinstance(e, FileNotFoundError):
                    raise
            if self.error or not stat.S_ISREG(os.fstat(self.fd).st_mode):
                self.error = Error("refused")
                return
            fcntl.fcntl(self.fd, 38, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))  # F_OFD_SETLKW (L-1)
        try:
            self.header = h = parse_header(self.read(0, 64))
            self.position, self.crc, self.next, self.epoch = 64, h["crc"], h["base_offset"], h["epoch"]
        except Error as e:
            self.error = Error("damaged") if str(e) == "foreign" else e
    def sound(self):
        if self.error:
            raise self.error
        return self
    def named(self):
        try:
            return os.path.samestat(os.lstat(self.name), os.fstat(self.fd))
        except FileNotFoundError:
            return False
    def read(self, position, n):
        return os.pread(self.fd, n, position)
    def close(self):
        self.fd = self.fd and os.close(self.fd)

class Reader:
    def __init__(self, directory):
        self.directory, self.segment, self.pending, self.rotten = directory, None, [], None
    def numbers(self):  # F-7, V-11
        names = os.listdir(self.directory) if os.path.isdir(self.directory) else []
        found = set(int(n[:10]) for n in names if re.fullmatch(r"\d{10}\.puro", n) and int(n[:10]) < 1 << 32)
        for n in sorted(found):
            while n < max(found) and n + 1 not in found and os.path.lexists("%s/%010d.puro" % (self.directory, n + 1)):
                n += 1
                found.add(n)
        return sorted(found)
    def own(self):
        """Finds the stream's id; gives its segments, those without a valid header included (F-9)."""
        ids, damaged, numbers = {}, [], self.numbers()
        for n in numbers:
            s = Segment(self.directory, n)
            s.close()
            if s.error:
                need(str(s.error) == "damaged" or numbers[0] < n < numbers[-1], str(s.error))
                damaged.append(n)
            elif s.header["sequence"] == n:
                ids[n] = s.header["stream_id"]
        need(ids, "damaged" if numbers else "not_a_stream")
        said = [ids[n] for n in sorted(ids)]
        most = sorted(set(said), key=said.count)
        need(said[0] == said[-1] or said.count(most[-1]) > said.count(most[-2]), "not_a_stream")
        self.id = said[0] if said[0] == said[-1] else most[-1]
        return sorted(damaged + [n for n in ids if ids[n] == self.id])
    def seek(self, offset):  # R-9; None is the beginning, -1 the end
        own = self.own()
        if offset is not None:
            self.start(Segment(self.directory, own[-1]), 0)
            while not self.segment.ended and self.step():
                pass
            end, offset = self.segment.next, self.segment.next if offset == -1 else offset
            need(offset <= end, "out_of_range")
        for n in own if offset is None else reversed(own):
            self.start(Segment(self.directory, n), offset or 0)
            if offset is None or self.segment.header["base_offset"] <= offset:
                return
        need(False, "out_of_range")
    def start(self, segment, offset):
        segment.sound()
        if self.segment:
            self.segment.close()
        self.segment, self.start_at, self.pending, self.rotten = segment, offset, [], None
    def later(self):
        for n in self.numbers():
            if n > self.segment.number:
                s = Segment(self.directory, n)
                s.close()
                s.sound()
                if s.header["sequence"] == n and s.header["stream_id"] == self.id:
                    return True
        return False
    def step(self):
        """Goes over one block, or into the next segment. False where nothing follows yet (R-4)."""
        s = self.segment
        if s.ended:
            return self.hop()
        for look in range(2):
            what, start, body = check(s.read, s.header["crc"], s.position, s.crc, s.next, s.header["generation"])
            if what == "committed":
                break
            if look or not self.later():  # in a sealed segment it is damage
                return need(not look)
        s.position, s.crc, s.epoch = s.position + start["length"], start["crc"], start["epoch"]
        s.next, s.ended = start["first_offset"] + start["record_count"], start["kind"] == 3
        records, self.rotten = parse_body(start, body)
        self.pending = [dict(r, time=start["timestamp"]) for r in records if r["offset"] >= self.start_at]
        return True
    def hop(self):  # V-8, V-9
        s = self.segment
        try:
            after = Segment(self.directory, s.number + 1)
        except FileNotFoundError:
            if not self.later():
                return False
            need(False, "damaged" if s.named() else "out_of_range")
        h = after.sound().header
        need((h["stream_id"], h["base_offset"], h["sequence"]) == (self.id, s.next, s.number + 1))  # F-49
        need(s.named(), "out_of_range")
        self.start(after, self.start_at)
        return True
    def next(self):
        while not self.pending:
            if self.rotten:
                raise self.rotten
            if not self.step():
                return None
        r = self.pending.pop(0)
        self.start_at = r["offset"] + 1
        return r
    def token(self):  # E-7, E-9
        offset = self.start_at if self.pending or self.rotten else max(self.segment.next, self.start_at)
        return "%s:%d:%d" % (self.id, self.segment.epoch, offset)

def read(q):
    place = q.get("from") or 0
    need(not isinstance(place, str) or place in ("beginning", "end"), "unsupported")
    reader, got, then = Reader(q["dir"]), [], "end"
    reader.seek({"beginning": None, "end": -1}.get(place, place) if "from" in q else None)
    try:
        while r := reader.next():
            got += [r] if r["topic"] in q.get("topics", [r["topic"]]) else []
    except Error as e:
        then = str(e)
    return dict(records=got, token=reader.token(), then=then)

def block(q, b):
    p, names = q["position"], ("header_crc", "position", "prev_crc", "next_offset", "generation")
    what, s, _ = check(lambda at, n: b[at - p:at - p + n], *(q[n] for n in names))
    return dict(start=s, crc=s and s["crc"], **{"is": what})

def records(q, b):
    got, error = parse_body(dict(q, flags=int(q["control"])), b)
    return dict(error=str(error)) if error else dict(records=got)

ANSWERS = {
    "hello": lambda q, b: dict(name="smallest reader", requests=list(ANSWERS)),
    "crc": lambda q, b: dict(crc=crc(b)),
    "varint": lambda q, b: dict(zip(("value", "length"), varint(b))),
    "header": lambda q, b: parse_header(b, q["write"]),
    "start": lambda q, b: parse_start(b, q["header_crc"], q["position"]) or dict(error="damaged"),
    "block": block, "records": records, "read": lambda q, b: read(q),
}

def main():
    if len(sys.argv) > 1:
        reader = Reader(sys.argv[1])
        reader.seek(None)
        while True:
            while r := reader.next():
                print(bytes.fromhex(r.get("value", "")).decode(errors="replace"), flush=True)
            time.sleep(0.1)
    for line in sys.stdin:
        try:
            q = json.loads(line)
            need(q["do"] in ANSWERS, "unsupported")
            said = ANSWERS[q["do"]](q, bytes.fromhex(q.get("bytes") or q.get("body") or ""))
        except (Error, OSError) as e:
            said = dict(error=str(e) if isinstance(e, Error) else "system")
        print(json.dumps(said), flush=True)
main()
