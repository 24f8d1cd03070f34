package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that are killed while they write; and the same beside the built program (PURO_PROGRAM). */
class KillTest {
  @TempDir Path tmp;
  private final Random random = new Random();
  private int kills, midWrite, midRoll;
  private final Map<String, Integer> rows = new java.util.TreeMap<>();

  private interface Starter {
    Process start(Object... args) throws Exception;
  }

  /** This port; it is killed with SIGKILL behind the n-th piece of 64 KiB that it writes. */
  public static final class Dying {
    private static int left = Integer.getInteger("die");

    public static void main(String[] args) {
      Writer.betweenPieces = Dying::piece;
      Main.main(args);
    }

    private static void piece() {
      if (--left > 0) return;
      try {
        new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start().waitFor();
        Thread.sleep(10_000);
      } catch (Exception e) {
        throw new RuntimeException(e);
      }
    }
  }

  private Process dying(Object... args) throws Exception {
    List<String> java = new ArrayList<>(Fixture.JAVA);
    java.add("-Ddie=" + (1 + random.nextInt(20)));
    return Fixture.start(java, "puro.KillTest$Dying", args);
  }

  /** Lines of one writer, each its own: number, then filling. */
  private Path lines(int count, int bytes) throws Exception {
    Path f = tmp.resolve("lines" + count + "x" + bytes);
    if (!Files.exists(f)) {
      StringBuilder s = new StringBuilder();
      for (int i = 0; i < count; i++) s.append(i).append(' ').append("abcdefgh".repeat(bytes / 8)).append('\n');
      Files.writeString(f, s);
    }
    return f;
  }

  /** Starts a writer, reads its acknowledgements, kills it. Gives the acknowledged: [first offset, count] each. */
  private List<long[]> writeAndKill(Starter s, Path dir, String topic, Path lines, int batch, int acks, int micros) throws Exception {
    Process p = s.start("produce", "-t", topic, "--ack", "--batch", batch, dir, lines);
    List<long[]> out = new ArrayList<>();
    BufferedReader in = new BufferedReader(new InputStreamReader(p.getInputStream()));
    String line;
    while (out.size() < acks && (line = in.readLine()) != null) out.add(ack(line));
    java.util.concurrent.locks.LockSupport.parkNanos(micros * 1000L);
    p.toHandle().destroyForcibly(); // SIGKILL; it leaves our end of the pipe open
    while ((line = in.readLine()) != null) if (line.matches("[0-9]+ [0-9]+")) out.add(ack(line));
    if (p.waitFor() == 137) kills++;
    return out;
  }

  private static long[] ack(String line) {
    String[] x = line.split(" ");
    return new long[] {Long.parseLong(x[0]), Long.parseLong(x[1])};
  }

  /** What a dead writer left, before anybody repairs. */
  private void note(Path dir) throws Exception {
    Reader r = Reader.open(dir);
    Memory m = r.history();
    Tail t = Tail.classify(m, World.REAL.bootId());
    if (t.row != Tail.Row.CLEAN) midWrite++;
    if (m.sealed) midRoll++;
    rows.merge(t.row.name(), 1, Integer::sum);
    m.segment.close();
    r.close();
  }

  /** Everything that was acknowledged is there, at the offset that was said, once. */
  private void check(Path dir, Map<String, List<long[]>> acked) {
    Map<String, List<Long>> offsets = new LinkedHashMap<>(); // by topic: the offset of its n-th line
    try (Reader r = Reader.open(dir)) {
      long next = 0;
      for (Reader.Message m; (m = r.poll()) != null; ) {
        assertEquals(next++, m.offset());
        List<Long> of = offsets.computeIfAbsent(m.topic(), t -> new ArrayList<>());
        assertTrue(m.value().startsWith(of.size() + " "), m.topic() + ": line " + of.size() + " twice or missing");
        of.add(m.offset());
      }
    }
    acked.forEach((topic, list) -> {
      int line = 0;
      for (long[] a : list) for (long i = 0; i < a[1]; i++) assertEquals(a[0] + i, offsets.get(topic).get(line++), topic);
    });
    Verify v = Verify.run(dir, true);
    assertEquals("sound", v.verdict(), v.findings.toString());
  }

  @Test void twoProcesses() throws Exception {
    Path dir = tmp.resolve("s"), lines = lines(400, 40);
    assertEquals("", Fixture.output(Fixture.java("create", "--segment-bytes", "4096", dir)));
    Process a = Fixture.java("produce", "-t", "a", "--batch", 3, dir, lines);
    Process b = Fixture.java("produce", "-t", "b", "--batch", 5, dir, lines);
    int seen = 0;
    try (Reader r = Reader.open(dir); Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      for (int i = 0; i < 100; i++) p.append(List.of(Rec.of("c", null, i + " mine")));
      while (seen < 900 && r.await(20_000) != null) seen++;
    }
    assertEquals(0, a.waitFor());
    assertEquals(0, b.waitFor());
    assertEquals(900, seen);
    check(dir, Map.of());
  }

  @Test void killedAndRepairedByAnother() throws Exception {
    Path dir = tmp.resolve("s");
    Map<String, List<long[]>> acked = new LinkedHashMap<>();
    Fixture.output(Fixture.java("create", "--segment-bytes", "1048576", dir));
    for (int i = 0; i < 4; i++) {
      acked.put("w" + i, writeAndKill(this::dying, dir, "w" + i, lines(300, 20_000), 60, 99, 0));
      note(dir);
      try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
        p.append(List.of(Rec.of("me" + i, null, "0 done")));
      }
    }
    check(dir, acked);
    assertTrue(midWrite > 0);
    System.err.println("KillTest, Java alone: " + kills + " kills, " + midWrite + " in mid-write, " + midRoll + " in a rollover " + rows);
  }

  @Test void besideTheProgram() throws Exception {
    String program = Fixture.program();
    Path dir = tmp.resolve("s");
    Map<String, List<long[]>> acked = new LinkedHashMap<>();
    Fixture.output(Fixture.puro("create", "--segment-bytes", "4MiB", dir));
    Process watcher = new ProcessBuilder(program, "consume", "-f", "%o %t\n", dir.toString())
        .redirectOutput(tmp.resolve("seen").toFile()).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    List<String> mine = new ArrayList<>();
    Thread follower = new Thread(() -> follow(dir, mine));
    follower.start();
    for (int i = 0; i < 24; i++) {
      boolean java = i % 2 == 0, tiny = i % 4 >= 2; // tiny: many rollovers' worth of small blocks
      Path lines = tiny ? lines(1500, 400) : lines(300, 20_000);
      Starter s = java ? tiny ? Fixture::java : this::dying : Fixture::puro;
      acked.put("w" + i, writeAndKill(s, dir, "w" + i, lines, tiny ? 20 : 400, java && !tiny ? 99 : 1 + random.nextInt(3), random.nextInt(1000)));
      note(dir);
      if (java) Fixture.output(Fixture.puro("repair", dir)); // each is repaired by the other
      else repair(dir);
      try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
        p.append(List.of(Rec.of("after" + i, null, "0 done")));
      }
    }
    Process last = Fixture.puro("produce", "-t", "last", dir, lines(1, 8));
    assertEquals(0, last.waitFor());
    follower.join(20_000);
    check(dir, acked);
    Process v = Fixture.puro("verify", "--deep", dir);
    String said = Fixture.output(v);
    assertEquals(0, v.exitValue(), said);
    List<String> program1 = List.of(Fixture.output(Fixture.puro("consume", "-e", "-f", "%o %t\n", dir)).split("\n"));
    for (int i = 0; i < 100 && Files.readAllLines(tmp.resolve("seen")).size() < program1.size(); i++) Thread.sleep(50);
    watcher.destroy();
    assertEquals(program1, Files.readAllLines(tmp.resolve("seen"))); // one sequence: who followed,
    assertEquals(program1, mine); // and who followed in Java, saw what there is now
    System.err.println("KillTest, beside the program: " + kills + " kills, " + midWrite + " in mid-write, " + midRoll
        + " in a rollover " + rows + "; " + said.trim());
    assertTrue(kills >= 10, kills + " kills");
  }

  private static void repair(Path dir) {
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      p.repair();
    }
  }

  private static void follow(Path dir, List<String> out) {
    try (Reader r = Reader.open(dir)) {
      for (Reader.Message m; (m = r.await(20_000)) != null; ) {
        out.add(m.offset() + " " + m.topic());
        if (m.topic().equals("last")) return;
      }
    } catch (Exception e) {
      e.printStackTrace();
    }
  }

  @Test void bothRollSmallSegments() throws Exception { // death in rollovers, finished by the other
    Fixture.program();
    Path dir = tmp.resolve("s");
    Map<String, List<long[]>> acked = new LinkedHashMap<>();
    Fixture.output(Fixture.puro("create", "--segment-bytes", "4096", dir));
    for (int i = 0; i < 8; i++) {
      Starter s = i % 2 == 0 ? Fixture::java : Fixture::puro;
      acked.put("w" + i, writeAndKill(s, dir, "w" + i, lines(1000, 1200), 3, 1 + random.nextInt(5), random.nextInt(1500)));
      note(dir);
      if (i % 2 == 0) Fixture.output(Fixture.puro("repair", dir));
      else repair(dir);
      assertEquals("sound", Verify.run(dir, false).verdict());
    }
    check(dir, acked);
    System.err.println("KillTest, small segments: " + kills + " kills, " + midWrite + " in mid-write, " + midRoll + " in a rollover " + rows);
  }

  @Test void atOnceAndKilled() throws Exception { // all at once, some killed, none repaired by hand
    Fixture.program();
    Path dir = tmp.resolve("s");
    Fixture.output(Fixture.java("create", "--segment-bytes", "65536", dir));
    Map<String, List<long[]>> acked = new java.util.concurrent.ConcurrentHashMap<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      Starter s = i % 2 == 0 ? Fixture::java : Fixture::puro;
      String topic = "w" + i;
      Path lines = lines(2000, 300);
      int acks = 10 + random.nextInt(40);
      threads.add(new Thread(() -> {
        try {
          acked.put(topic, writeAndKill(s, dir, topic, lines, 7, acks, 0));
        } catch (Exception e) {
          acked.put(topic, List.of(new long[] {-1, 1}));
        }
      }));
    }
    threads.forEach(Thread::start);
    for (Thread t : threads) t.join();
    repair(dir);
    check(dir, acked);
    Process v = Fixture.puro("verify", "--deep", dir);
    assertEquals("", Fixture.output(v).contains("sound") ? "" : "not sound");
  }

  @Test void deathAtEachSystemCall() throws Exception { // smallest-port.md, a producer: step 8
    Fixture.program();
    String calls = "pwrite64,rename,renameat,fsync,fdatasync,ftruncate:signal=SIGKILL:when=";
    Path dir = tmp.resolve("s");
    Map<String, List<long[]>> acked = new LinkedHashMap<>();
    Fixture.output(Fixture.puro("create", "--segment-bytes", "4096", dir));
    for (int i = 0; i < 26; i++) {
      boolean java = i % 4 == 0;
      List<String> strace = new ArrayList<>(Fixture.strace(1 + i, calls));
      if (java) strace.addAll(Fixture.JAVA);
      Starter s = args -> Fixture.start(strace, java ? "puro.Main" : Fixture.program(), args);
      acked.put("w" + i, writeAndKill(s, dir, "w" + i, lines(40, 600), 3, Integer.MAX_VALUE, 0));
      note(dir);
      if (java) Fixture.output(Fixture.puro("repair", dir));
      else repair(dir);
      try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
        p.append(List.of(Rec.of("after" + i, null, "0 done")));
      }
      Verify v = Verify.run(dir, false);
      assertEquals("sound", v.verdict(), v.findings.toString());
    }
    check(dir, acked);
    assertTrue(kills >= 20 && midWrite >= 5, kills + " kills, " + midWrite + " in mid-write");
    System.err.println("KillTest, at each system call: " + kills + " kills, " + midWrite + " in mid-write, " + midRoll + " in a rollover " + rows);
  }

  @Test void namedConsumersOfBoth() throws Exception { // C-2: one position, two programs
    Fixture.program();
    Path dir = tmp.resolve("s");
    Fixture.output(Fixture.puro("create", "--segment-bytes", "4096", dir));
    assertEquals(0, Fixture.puro("produce", "-t", "x", "--batch", 7, dir, lines(300, 40)).waitFor());
    List<String> seen = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      if (i % 2 == 0) {
        seen.addAll(List.of(Fixture.output(Fixture.puro("consume", "--name", "n", "-c", 30, "-e", "-f", "%o\n", dir)).split("\n")));
      } else {
        try (NamedConsumer c = NamedConsumer.open(dir, "n", NamedConsumer.IfLost.FAIL, Fixture.options(World.REAL))) {
          for (int j = 0; j < 30; j++) seen.add(Long.toString(c.poll().offset()));
          c.commit();
        }
      }
    }
    for (int i = 0; i < 300; i++) assertEquals(Integer.toString(i), seen.get(i));
  }
}
