package puro;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The command line. Exit codes are those of K-16. */
public final class Main {
  private static final String USAGE = """
      java -jar puro-java.jar COMMAND [OPTIONS] DIR
        create  [--segment-bytes N] DIR
        produce -t TOPIC [-k KEY] [--batch N] [--durable] [--ack] [--no-create] [--segment-bytes N] DIR [FILE...]
        consume [-t TOPIC] [--from beginning|end|OFFSET|TOKEN] [--name NAME] [--if-lost fail|beginning|end]
                [-c COUNT] [-e] [-f FORMAT] [--token] DIR
        verify  [--deep] DIR
        repair  DIR
        info    DIR
      All: --allow-network
      Exit (K-16): 0 well, 1 repairable, 2 damaged, diverged or a lost place, 64 a wrong call, 74 the system""";

  static final PrintStream OUT = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false);

  private final Map<String, String> options = new java.util.HashMap<>();
  private final List<String> rest = new ArrayList<>();

  public static void main(String[] args) {
    int code = run(args);
    OUT.flush();
    System.exit(code);
  }

  static int run(String[] args) {
    try {
      if (args.length == 0 || args[0].equals("--help") || args[0].equals("help")) {
        OUT.println(USAGE);
        return args.length == 0 ? 64 : 0;
      }
      return new Main(args).command(args[0]);
    } catch (PuroException e) {
      System.err.println("puro: " + e.getMessage());
      return e.kind.exit;
    } catch (Exception e) {
      System.err.println("puro: " + e);
      return 74;
    }
  }

  private Main(String[] args) {
    String valued = " -t -k --batch --segment-bytes --from --name --if-lost -c -f ";
    String flags = " --durable --ack --no-create -e --token --deep --allow-network ";
    for (int i = 1; i < args.length; i++) {
      String a = args[i];
      if (valued.contains(" " + a + " ")) {
        if (++i == args.length) throw PuroException.usage(a + " wants a value");
        options.put(a, args[i]);
      } else if (flags.contains(" " + a + " ")) {
        options.put(a, "");
      } else if (a.startsWith("-") && a.length() > 1) {
        throw PuroException.usage("unknown option " + a);
      } else {
        rest.add(a);
      }
    }
    if (rest.isEmpty()) throw PuroException.usage("no directory is given");
  }

  private int command(String name) throws Exception {
    return switch (name) {
      case "create" -> create();
      case "produce" -> produce();
      case "consume" -> consume();
      case "verify" -> verify();
      case "repair" -> repair();
      case "info" -> info();
      default -> throw PuroException.usage("unknown command " + name);
    };
  }

  private Path dir() {
    return Path.of(rest.get(0));
  }

  private boolean has(String option) {
    return options.containsKey(option);
  }

  private long number(String option, long otherwise) {
    try {
      return has(option) ? Long.parseLong(options.get(option)) : otherwise;
    } catch (NumberFormatException e) {
      throw PuroException.usage(option + " wants a number");
    }
  }

  private Producer.Options open() {
    Producer.Options o = new Producer.Options();
    o.allowNetwork = has("--allow-network");
    o.create = !has("--no-create");
    if (has("--durable")) o.durable = true;
    if (has("--segment-bytes")) {
      long n = number("--segment-bytes", 0);
      if (n < Limits.MIN_SEGMENT_BYTES || n > Limits.MAX_SEGMENT_BYTES) throw PuroException.usage("segment_bytes: 4096 to 1 TiB");
      o.settings = Map.of("segment_bytes", Long.toString(n));
    }
    return o;
  }

  private int create() {
    boolean made = Producer.create(dir(), open());
    System.err.println("puro: " + (made ? "made the stream " : "it was there already: ") + dir());
    return 0;
  }

  private int produce() throws IOException {
    if (!has("-t")) throw PuroException.usage("-t TOPIC is wanted");
    long batch = number("--batch", 1000);
    List<String> files = rest.size() > 1 ? rest.subList(1, rest.size()) : List.of("-");
    try (Producer p = Producer.open(dir(), open())) {
      for (String f : files) {
        try (InputStream in = f.equals("-") ? System.in : Files.newInputStream(Path.of(f))) {
          lines(p, new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1)), batch);
        }
      }
      p.repairs().forEach(r -> System.err.println("puro: repaired " + r));
    }
    return 0;
  }

  /** Lines that are there at once are one block. */
  private void lines(Producer p, BufferedReader in, long batch) throws IOException {
    byte[] topic = Bytes.ascii(options.get("-t")), key = has("-k") ? Bytes.ascii(options.get("-k")) : null;
    List<Rec> records = new ArrayList<>();
    long bytes = 0;
    for (String line; (line = in.readLine()) != null; ) {
      byte[] value = line.getBytes(StandardCharsets.ISO_8859_1); // bytes are bytes (F-26)
      records.add(new Rec(topic, key, List.of(), value, false));
      bytes += value.length;
      if (records.size() < batch && bytes < 1 << 20 && in.ready()) continue;
      append(p, records);
      bytes = 0;
    }
    append(p, records);
  }

  private void append(Producer p, List<Rec> records) {
    if (records.isEmpty()) return;
    Producer.Appended a = p.append(records);
    if (has("--ack")) {
      OUT.println(Long.toUnsignedString(a.firstOffset()) + " " + a.count());
      OUT.flush();
    }
    records.clear();
  }

  private int consume() throws Exception {
    String name = options.get("--name");
    if (name == null) {
      try (Reader r = Reader.open(dir(), has("--allow-network"), World.REAL)) {
        from(r);
        return deliver(r, null);
      }
    }
    Producer.Options o = open();
    o.create = false;
    NamedConsumer.IfLost lost = NamedConsumer.IfLost.valueOf(options.getOrDefault("--if-lost", "fail").toUpperCase());
    try (NamedConsumer c = NamedConsumer.open(dir(), name, lost, o)) {
      if (c.isNew()) System.err.println("puro: " + name + " has no position; it begins at offset " + c.reader().nextOffset());
      if (c.passedOver() > 0) System.err.println("puro: " + c.passedOver() + " offsets were deleted before they were read");
      if (has("--from")) throw PuroException.usage("--from and --name do not go together here");
      try {
        return deliver(c.reader(), c);
      } catch (PuroException e) {
        throw e.kind == PuroException.Kind.OUT_OF_RANGE ? NamedConsumer.placeLost(e) : e;
      }
    }
  }

  private void from(Reader r) {
    String from = options.getOrDefault("--from", "beginning");
    if (from.equals("end")) r.seekEnd();
    else if (from.contains(":")) r.seek(Token.parse(from));
    else if (from.matches("[0-9]+")) r.seekOffset(Long.parseUnsignedLong(from));
    else if (!from.equals("beginning")) throw PuroException.usage("--from " + from);
  }

  private int deliver(Reader r, NamedConsumer c) throws Exception {
    long count = number("-c", Long.MAX_VALUE), given = 0;
    String topic = options.get("-t"), format = options.getOrDefault("-f", "%s\\n");
    boolean exit = has("-e");
    int code = 0;
    while (given < count) {
      Reader.Message m = exit ? r.poll() : r.await(Limits.POLL_MS);
      if (m == null) {
        OUT.flush();
        if (exit) {
          code = atEnd(r);
          break;
        }
        if (c != null) c.commitNowAndThen(1000);
        continue;
      }
      if (topic != null && !m.topic().equals(topic)) continue;
      print(m, format);
      given++;
    }
    OUT.flush();
    if (c != null) c.commit(); // C-8: also at the end
    if (has("--token")) System.err.println(r.token());
    return code;
  }

  private int atEnd(Reader r) throws InterruptedException { // a second look, a poll interval later
    Tail t = r.endProblem();
    if (t == null && !r.endIsClean()) {
      Thread.sleep(Limits.POLL_MS + 5);
      t = r.endProblem();
    }
    if (t == null) return 0;
    System.err.println("puro: the end " + (t.cuts() ? "is repairable" : t.row == Tail.Row.UNREADABLE ? "cannot be read" : "is damaged") + ": " + t.why);
    return t.cuts() ? 1 : t.row == Tail.Row.UNREADABLE ? 74 : 2;
  }

  private static void print(Reader.Message m, String format) {
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (i + 1 == format.length() || c != '%' && c != '\\') {
        raw(Bytes.ascii(String.valueOf(c)));
        continue;
      }
      char d = format.charAt(++i);
      switch (c == '\\' ? "\\" + d : "" + d) {
        case "\\n" -> raw(new byte[] {'\n'});
        case "\\t" -> raw(new byte[] {'\t'});
        case "s" -> raw(m.rec().value());
        case "k" -> raw(m.rec().key());
        case "t" -> raw(m.rec().topic());
        case "o" -> raw(Bytes.ascii(Long.toUnsignedString(m.offset())));
        case "T" -> raw(Bytes.ascii(Long.toUnsignedString(m.timestamp())));
        default -> raw(Bytes.ascii(String.valueOf(d)));
      }
    }
  }

  private static void raw(byte[] b) {
    if (b != null) OUT.write(b, 0, b.length);
  }

  private int verify() {
    Verify v = Verify.run(dir(), has("--deep"));
    v.findings.forEach(f -> OUT.println(f));
    OUT.println(dir() + ": " + v.verdict() + " (" + v.segments + " segments, " + v.bytes + " bytes, " + v.blocks
        + " blocks, " + v.records + " records)");
    return v.exit();
  }

  private int repair() {
    Producer.Options o = open();
    o.create = false;
    try (Producer p = Producer.open(dir(), o)) {
      List<Repair.Report> done = p.repair();
      done.forEach(OUT::println);
      if (done.isEmpty()) OUT.println(dir() + ": nothing to repair");
    }
    return 0;
  }

  private int info() {
    try (Reader r = Reader.open(dir(), has("--allow-network"), World.REAL)) {
      long lowest = r.nextOffset();
      Map<String, Long> topics = new java.util.TreeMap<>();
      for (Reader.Message m; (m = r.poll()) != null; ) topics.merge(m.topic(), 1L, Long::sum);
      OUT.println("stream    " + dir() + "\nid        " + r.streamId());
      OUT.println("offsets   " + lowest + " to " + r.nextOffset() + " (the next)\nepoch     " + r.token().epoch());
      topics.forEach((t, n) -> OUT.println("topic     " + n + " x " + t));
    }
    return 0;
  }
}
