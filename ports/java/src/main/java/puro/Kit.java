package puro;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The driver of the kit (kit.md): a request a line on stdin, an answer a line on stdout. */
public final class Kit {
  private static final PrintStream OUT = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, StandardCharsets.US_ASCII);

  public static void main(String[] args) throws IOException {
    Kit kit = new Kit();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      OUT.print(Json.write(kit.answer(line)) + "\n");
      OUT.flush();
    }
    System.exit(0); // no handle is closed: who goes without a word leaves all to the system, and to the next one
  }

  /** An answer that is an error. */
  @SuppressWarnings("serial") private static final class Told extends RuntimeException {
    final String word;

    Told(String word, String text) {
      super(text);
      this.word = word;
    }
  }

  private interface Request {
    Map<String, Object> answer(Fields f) throws IOException;
  }

  private final Map<String, Request> requests = new LinkedHashMap<>();
  private final Map<String, Handle> handles = new HashMap<>();

  private Kit() {
    requests.put("hello", f -> map("name", "java", "requests", new ArrayList<Object>(requests.keySet())));
    requests.put("crc", f -> map("crc", crc(f.bytes("bytes"))));
    requests.put("varint", f -> {
      byte[] b = f.bytes("bytes");
      Bytes.In in = new Bytes.In(b, 0, b.length);
      long value = in.varint();
      return map("value", value, "length", (long) in.at);
    });
    requests.put("to_varint", f -> map("bytes", Bytes.hex(new Bytes.Out().varint(f.number("value")).done())));
    requests.put("header", Kit::header);
    requests.put("to_header", f -> map("bytes", Bytes.hex(Header.encode(f.bytes("stream_id"), f.number("base_offset"),
        f.number("created"), f.number("sequence"), f.number("generation"), f.number("epoch")))));
    requests.put("start", f -> {
      byte[] b = f.bytes("bytes");
      if (!Block.startStands(b, 0, f.number("position"), (int) f.number("header_crc"))) throw new Told("damaged", "no start stands there");
      return start(new Block(f.number("position"), b));
    });
    requests.put("block", Kit::block);
    requests.put("to_block", f -> map("bytes", Bytes.hex(Block.encode((int) f.number("header_crc"), f.number("position"),
        (int) f.number("kind"), f.bytes("body"), f.truth("control"), f.number("record_count"), (int) f.number("prev_crc"),
        f.number("first_offset"), f.number("timestamp"), f.number("durable_to"), f.number("epoch"), (byte) f.number("signal")))));
    requests.put("records", Kit::records);
    requests.put("to_record", f -> map("bytes", Bytes.hex(record(f).encode())));
    requests.put("setting", f -> map("value", Settings.holds(Bytes.text(f.bytes("name")), f.bytes("value"))));
    requests.put("name", f -> {
      Names.checkName(f.text("name"));
      return map();
    });
    requests.put("token", f -> {
      Token t = Token.parse(f.text("text"));
      return map("stream_id", t.streamId(), "epoch", t.epoch(), "offset", t.offset(), "text", t.toString());
    });
    requests.put("info", Kit::info);
    requests.put("classify", Kit::classify);
    requests.put("read", Kit::read);
    requests.put("verify", f -> map("verdict", Verify.run(f.dir(), f.truth("deep"), new Given(f)).verdict()));
    requests.put("create", f -> {
      Producer.Options o = options(f, new Given(f));
      Map<String, String> settings = new TreeMap<>();
      f.map("settings").forEach((k, v) -> settings.put(k, (String) v));
      o.settings = settings;
      return map("made", Producer.create(f.dir(), o));
    });
    requests.put("append", f -> producing(f, p -> {
      String end = f.text("if_end");
      Boolean durable = f.has("durable") ? (Boolean) f.truth("durable") : null;
      Producer.Appended a = p.append(f.records(), durable, end == null ? null : Token.parse(end), f.text("identity"), f.number("sequence"));
      return map("first_offset", a.firstOffset(), "count", a.count(), "duplicate", a.again() ? true : null);
    }));
    requests.put("set", f -> producing(f, p -> {
      p.set(f.text("name"), f.text("value"));
      return map();
    }));
    requests.put("repair", f -> producing(f, p -> {
      List<Object> done = new ArrayList<>();
      for (Repair.Report r : p.repair()) done.add(map("label", r.row().toLowerCase(), "position", r.from()));
      return map("repairs", done);
    }));
    requests.put("consume", this::consume);
    requests.put("close", f -> {
      Handle h = handles.remove(f.text("handle"));
      if (h != null) h.close();
      return map();
    });
  }

  private Map<String, Object> answer(String line) {
    try {
      Fields f = new Fields(Json.parse(line));
      Request r = requests.get(f.text("do"));
      return r == null ? map("error", "unsupported") : r.answer(f);
    } catch (Told e) {
      return map("error", e.word, "text", e.getMessage());
    } catch (PuroException e) {
      return map("error", word(e), "text", e.getMessage());
    } catch (IOException | RuntimeException e) {
      e.printStackTrace();
      return map("error", e instanceof IOException ? "system" : "refused", "text", e.toString());
    }
  }

  private static String word(PuroException e) {
    return switch (e.kind) {
      case DAMAGED -> "damaged";
      case DIVERGED -> "diverged";
      case USAGE, REFUSED, OTHER_STREAM -> "refused";
      case NO_STREAM, DRAW -> "not_a_stream";
      case PLACE_LOST, OUT_OF_RANGE -> "out_of_range";
      case REMOVED -> "removed";
      case NEWER -> "newer";
      case LOCKED -> "busy";
      case CONFLICT -> "conflict";
      case OLD_SEQUENCE -> "old_sequence";
      case UNREADABLE, SYSTEM, NOT_DURABLE, UNKNOWN -> "system";
    };
  }

  // ---- the fields of requests and answers

  private static Map<String, Object> map(Object... fields) {
    Map<String, Object> out = new LinkedHashMap<>();
    for (int i = 0; i < fields.length; i += 2) if (fields[i + 1] != null) out.put((String) fields[i], fields[i + 1]); // absent: none
    return out;
  }

  private static final class Fields {
    private final Map<?, ?> all;

    Fields(Object o) {
      all = (Map<?, ?>) o;
    }

    boolean has(String name) { return all.get(name) != null; }
    String text(String name) { return (String) all.get(name); }
    long number(String name) { return has(name) ? (Long) all.get(name) : 0; }
    boolean truth(String name) { return Boolean.TRUE.equals(all.get(name)); }
    byte[] bytes(String name) { return unhex(all.get(name)); }
    Path dir() { return Path.of(text("dir")); }

    @SuppressWarnings("unchecked") Map<String, Object> map(String name) {
      return has(name) ? (Map<String, Object>) all.get(name) : Map.of();
    }

    List<?> list(String name) {
      return has(name) ? (List<?>) all.get(name) : List.of();
    }

    List<Rec> records() {
      List<Rec> out = new ArrayList<>();
      for (Object o : list("records")) out.add(record(new Fields(o)));
      return out;
    }
  }

  private static byte[] unhex(Object o) {
    return o == null ? null : java.util.HexFormat.of().parseHex((String) o);
  }

  private static String hex(byte[] b) {
    return b == null ? null : java.util.HexFormat.of().formatHex(b);
  }

  private static long crc(byte[] b) {
    return Bytes.crc(b, 0, b.length) & 0xFFFF_FFFFL;
  }

  private static Rec record(Fields f) {
    List<Rec.Header> headers = new ArrayList<>();
    for (Object o : f.list("headers")) headers.add(new Rec.Header(unhex(((List<?>) o).get(0)), unhex(((List<?>) o).get(1))));
    return new Rec(f.bytes("topic"), f.bytes("key"), headers, f.bytes("value"), false);
  }

  private static Map<String, Object> record(Rec r, long offset, Long time) {
    List<Object> headers = new ArrayList<>();
    for (Rec.Header h : r.headers()) headers.add(List.of(hex(h.name()), hex(h.value())));
    return map("topic", hex(r.topic()), "key", hex(r.key()), "value", hex(r.value()),
        "headers", headers.isEmpty() ? null : headers, "offset", offset, "time", time);
  }

  // ---- bytes

  private static Map<String, Object> header(Fields f) {
    byte[] b = f.bytes("bytes");
    switch (Header.judge(b, f.truth("write"))) {
      case NO_SEGMENT -> throw new Told("foreign", "the magic is wrong");
      case DAMAGED -> throw new Told("damaged", "the crc is wrong");
      case NEWER -> throw new Told("newer", "from a newer Puro");
      default -> { }
    }
    Header h = Header.parse(b);
    return map("stream_id", hex(h.streamId()), "base_offset", h.baseOffset(), "created", h.created(), "sequence", h.sequence(),
        "generation", h.generation(), "epoch", h.epoch());
  }

  private static Map<String, Object> start(Block b) {
    return map("kind", (long) b.kind(), "flags", (long) b.flags(), "body_len", b.bodyLen(), "record_count", b.recordCount(),
        "prev_crc", b.prevCrc() & 0xFFFF_FFFFL, "first_offset", b.firstOffset(), "timestamp", b.timestamp(),
        "durable_to", b.durableTo(), "epoch", b.epoch());
  }

  private static Map<String, Object> block(Fields f) throws IOException {
    byte[] all = f.bytes("bytes");
    long position = f.number("position");
    Block.Source source = (at, n) -> java.util.Arrays.copyOfRange(all, (int) (at - position), (int) Math.min(all.length, at - position + n));
    Block.Look l = Block.look(source, position, (int) f.number("header_crc"), (int) f.number("prev_crc"), f.number("next_offset"), f.number("generation") > 0);
    boolean valid = l.state().compareTo(Block.State.VALID) >= 0;
    return map("is", l.state().name().toLowerCase(), "start", valid ? start(l.block()) : null, // more than kit.md asks for; the vectors do
        "crc", valid ? l.block().crc() & 0xFFFF_FFFFL : null);
  }

  private static Map<String, Object> records(Fields f) {
    byte[] body = f.bytes("body");
    byte[] bytes = Block.encode(0, 64, (int) f.number("kind"), body, f.truth("control"), f.number("record_count"), 0,
        f.number("first_offset"), 0, 0, 1, Block.HIGH);
    List<Object> out = new ArrayList<>();
    for (Block.Placed p : new Block(64, bytes).records(f.number("generation") > 0)) {
      if (!p.rec().control()) out.add(record(p.rec(), p.offset(), null));
    }
    return map("records", out);
  }

  // ---- directories

  /** Clock, boot and random bytes, as they are given; what is absent is the system's. */
  private static final class Given implements World {
    private Long clock;
    private byte[] boot, random;

    Given(Fields f) {
      boot = f.bytes("boot");
      again(f);
    }

    void again(Fields f) { // the boot of a handle stays
      clock = f.has("clock") ? f.number("clock") : null;
      random = f.bytes("random");
    }

    @Override public long now() { return clock != null ? clock : REAL.now(); }
    @Override public byte[] newStreamId() { return random != null ? random : REAL.newStreamId(); }

    @Override public byte[] bootId() {
      return boot == null ? REAL.bootId() : Bytes.zeros(boot, 0, boot.length) ? null : boot;
    }
  }

  private static Producer.Options options(Fields f, World w) {
    Producer.Options o = new Producer.Options();
    o.world = w;
    o.create = false;
    o.waitMs = waitMs(f);
    return o;
  }

  private static long waitMs(Fields f) {
    return f.has("lock_ms") ? f.number("lock_ms") : 10_000;
  }

  /** A producer, or a consumer, that is kept from one request to the next. */
  private static final class Handle {
    final Given world;
    final Producer.Options options;
    Producer producer;
    NamedConsumer consumer;

    Handle(Fields f) {
      world = new Given(f);
      options = options(f, world);
    }

    void again(Fields f) {
      world.again(f);
      options.waitMs = waitMs(f);
    }

    void close() {
      if (producer != null) producer.close();
      if (consumer != null) consumer.close();
    }
  }

  private interface Opened {
    void open(Handle h);
  }

  /** That of the name, or one that is opened now. */
  private Handle handle(Fields f, Opened how) {
    String name = f.text("handle");
    Handle h = name == null ? null : handles.get(name);
    if (h != null) {
      h.again(f);
      return h;
    }
    h = new Handle(f);
    how.open(h);
    if (name != null) handles.put(name, h);
    return h;
  }

  private interface Producing {
    Map<String, Object> by(Producer p);
  }

  private Map<String, Object> producing(Fields f, Producing what) {
    Handle h = handle(f, n -> n.producer = Producer.open(f.dir(), n.options));
    try {
      return what.by(h.producer);
    } finally {
      if (!f.has("handle")) h.close();
    }
  }

  private Map<String, Object> consume(Fields f) {
    Handle h = handle(f, n -> n.consumer = NamedConsumer.open(f.dir(), f.text("name"), NamedConsumer.IfLost.FAIL, n.options));
    try {
      List<Object> out = new ArrayList<>();
      long take = f.has("take") ? f.number("take") : Long.MAX_VALUE;
      for (Reader.Message m; out.size() < take && (m = h.consumer.poll()) != null; ) out.add(record(m.rec(), m.offset(), m.timestamp()));
      if (f.truth("commit")) {
        if (f.list("records").isEmpty()) h.consumer.commit();
        else h.consumer.commitWith(f.records());
      }
      return map("records", out, "token", h.consumer.reader().token().toString());
    } finally {
      if (!f.has("handle")) h.close();
    }
  }

  /** The active segment as it is (O-3). */
  private static <T> T active(Fields f, java.util.function.Function<Memory, T> what) {
    return Calm.run(() -> {
      Dir dir = Dir.open(f.dir(), false);
      if (dir == null) throw new PuroException(PuroException.Kind.NO_STREAM, f.dir() + " is not there");
      try {
        Listing l = Listing.of(dir);
        byte[] id = l.streamId();
        Segment s = Segment.open(dir, l.active(id), false, id);
        if (s == null) throw new PuroException(PuroException.Kind.REMOVED, "the segment is gone");
        try {
          return what.apply(Memory.scan(s));
        } finally {
          s.close();
        }
      } finally {
        dir.close();
      }
    });
  }

  private static Map<String, Object> info(Fields f) {
    return active(f, m -> {
      List<Object> state = new ArrayList<>();
      m.state.entries.forEach((k, v) -> state.add(List.of(hex(k.kind()), hex(k.key()), hex(v))));
      return map("stream_id", hex(m.segment.header.streamId()), "segment", m.segment.number, "end", m.position,
          "next_offset", m.nextOffset, "epoch", m.state.newestEpoch(), "state", state);
    });
  }

  private static Map<String, Object> classify(Fields f) {
    return active(f, m -> {
      Tail t = Tail.classify(m, new Given(f).bootId());
      return map("label", t.row.name().toLowerCase(), "end", t.from, "length", t.to);
    });
  }

  private static Map<String, Object> read(Fields f) {
    try (Reader r = Reader.open(f.dir(), false, new Given(f))) {
      Object from = f.all.get("from");
      if (from instanceof Long n) r.seekOffset(n);
      else if ("end".equals(from)) r.seekEnd();
      else if (from instanceof String s && s.startsWith("@")) r.seekTime(Long.parseUnsignedLong(s.substring(1)));
      else if (from instanceof String s && !s.equals("beginning")) r.seek(Token.parse(s));
      Set<?> topics = f.has("topics") ? Set.copyOf(f.list("topics")) : null;
      List<Object> out = new ArrayList<>();
      String then = "end";
      try {
        for (Reader.Message m; (m = r.poll()) != null; ) {
          if (topics == null || topics.contains(hex(m.rec().topic()))) out.add(record(m.rec(), m.offset(), m.timestamp()));
        }
      } catch (PuroException e) {
        then = word(e);
      }
      return map("records", out, "token", r.token().toString(), "then", then);
    }
  }
}
