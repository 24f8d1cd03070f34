package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Beside the built program (PURO_PROGRAM): locks, settings, the steward, and what it says of what this port wrote. */
class ProgramTest {
  @TempDir Path tmp;
  private Path dir;

  @BeforeEach void program() {
    Fixture.program();
    dir = tmp.resolve("s");
  }

  private String puro(int code, Object... args) throws Exception {
    Process p = Fixture.puro(args);
    String out = Fixture.output(p);
    assertEquals(code, p.exitValue(), out);
    return out;
  }

  private Producer.Options options() {
    return Fixture.options(World.REAL);
  }

  @Test void locksExcludeEachOther() throws Exception { // L-1: POSIX beside OFD
    Producer.create(dir, options());
    Dir held = Dir.open(dir, false);
    LockFile lock = new LockFile(held, "writer.lock");
    lock.lock(1000, null);
    Process p = Fixture.puro("produce", "-t", "x", dir, Files.writeString(tmp.resolve("l"), "a\n"));
    assertFalse(p.waitFor(300, TimeUnit.MILLISECONDS));
    lock.close();
    assertTrue(p.waitFor(10, TimeUnit.SECONDS));
    held.close();
    try (NamedConsumer c = NamedConsumer.open(dir, "n", NamedConsumer.IfLost.FAIL, options())) {
      assertEquals("a", c.poll().value());
      String who = puro(0, "who", dir);
      assertTrue(who.contains(Long.toString(ProcessHandle.current().pid())), who); // the hint of F-40, too
    }
  }

  @Test void zerosOfTheProgram() throws Exception { // F-56, Z-1, Z-6, Z-7: in turns behind one end, which has zeros behind it
    Producer.create(dir, options());
    Process p = Fixture.puro("produce", "--durable", "--ack", "-t", "x", dir);
    var to = new java.io.PrintStream(p.getOutputStream());
    var acks = new java.io.BufferedReader(new java.io.InputStreamReader(p.getInputStream()));
    int ahead = 0;
    try (Producer mine = Producer.open(dir, options())) {
      for (int i = 0; i < 20; i++) {
        to.println("theirs");
        to.flush();
        acks.readLine();
        if (Files.size(Fixture.segment(dir, 0)) >= 100_000) ahead++;
        mine.append(Fixture.recs("mine"), i % 2 == 0);
        assertEquals("sound", Verify.run(dir, true).verdict());
      }
      System.err.println("zerosOfTheProgram: zeros behind the end at " + ahead + " of 20 appends");
      p.destroyForcibly().waitFor(); // it leaves them
      mine.append(Fixture.recs("mine"));
      assertEquals(List.of(), mine.repairs());
    }
    puro(0, "verify", "--deep", dir);
    puro(0, "consume", "-e", "-f", "", dir);
    try (Reader r = Reader.open(dir)) {
      assertEquals(41, Fixture.all(r).size());
      assertTrue(r.endIsClean());
    }
  }

  @Test void theStewardLeavesWhatIsPinned() throws Exception { // R-2, S-3, V-8
    try (Producer p = Producer.open(dir, Fixture.small(World.REAL))) {
      for (int i = 0; i < 60; i++) p.append(Fixture.recs(i + "x".repeat(300)));
    }
    try (Reader r = Reader.open(dir)) {
      r.poll();
      puro(0, "steward", "--once", "--retention-bytes", "1", dir);
      assertTrue(Files.exists(Fixture.segment(dir, 0)));
      while (Files.exists(Fixture.segment(dir, 0)) && r.nextOffset() < 30) {
        r.poll();
        if (r.nextOffset() % 10 == 0) puro(0, "steward", "--once", "--retention-bytes", "1", dir);
      }
      assertFalse(Files.exists(Fixture.segment(dir, 0))); // it hopped, and let go
      int more = 0;
      while (r.poll() != null) more++;
      assertEquals(60, r.nextOffset());
      assertTrue(more >= 30);
    }
    puro(0, "steward", "--once", "--retention-bytes", "1", dir);
    try (Reader r = Reader.open(dir); SmallestReader s = new SmallestReader(dir)) {
      assertTrue(r.nextOffset() > 30);
      fail("see ReaderTest");
    } catch (java.nio.channels.OverlappingFileLockException e) {
      // two tables in one process do not go together
    }
    assertEquals("sound", Verify.run(dir, true).verdict());
  }

  @Test void compactedByTheProgram() throws Exception { // F-33, F-38, F-39
    TreeMap<String, String> last = new TreeMap<>();
    try (Producer p = Producer.open(dir, Fixture.small(World.REAL))) {
      for (int i = 0; i < 200; i++) {
        List<Rec> batch = new ArrayList<>();
        for (int j = 0; j < 3; j++) batch.add(Rec.of("t", "k" + (i * 3 + j) % 17, i + "." + j + "x".repeat(80)));
        p.append(batch);
        for (Rec r : batch) last.put(Bytes.text(r.key()), Bytes.text(r.value()));
      }
    }
    puro(0, "config", dir, "set", "cleanup:t", "compact");
    puro(0, "steward", "--once", "--roll", dir);
    TreeMap<String, String> got = new TreeMap<>();
    int n = 0;
    try (Reader r = Reader.open(dir)) {
      for (Reader.Message m; (m = r.poll()) != null; n++) got.put(m.key(), m.value());
      assertEquals(600, r.nextOffset());
      for (long o = 0; o < 600; o += 37) r.seekOffset(o);
    }
    assertTrue(n < 300, n + " records");
    assertEquals(last, got);
    int small = 0;
    try (SmallestReader r = new SmallestReader(dir)) {
      while (r.next() != null) small++;
    }
    assertEquals(n, small);
    Verify v = Verify.run(dir, true);
    assertEquals("sound", v.verdict(), v.findings.toString());
    try (Producer p = Producer.open(dir, options())) {
      p.append(Fixture.recs("more"));
    }
    puro(0, "verify", "--deep", dir);
  }

  @Test void settingsAndPositionsOfTheProgram() throws Exception { // C-6, C-7
    try (Producer p = Producer.open(dir, options())) {
      p.append(Fixture.recs("a", "b", "c"));
      puro(0, "config", dir, "set", "segment_bytes", "4096");
      for (int i = 0; i < 10; i++) p.append(Fixture.recs("x".repeat(3000)));
      assertEquals(9, p.memory().segment.number);
      puro(0, "config", dir, "set", "durable", "true");
      p.append(Fixture.recs("y"));
      assertTrue(p.memory().known >= p.memory().position);
    }
    puro(0, "positions", dir, "set", "n", "2");
    try (NamedConsumer c = NamedConsumer.open(dir, "n", NamedConsumer.IfLost.FAIL, options())) {
      assertEquals("c", c.poll().value());
      c.commit();
    }
    assertTrue(puro(0, "positions", dir, "list").contains("3"));
    puro(0, "verify", "--deep", dir);
  }

  @Test void tailsAndGoldenStreamsAsTheProgramJudgesThem() throws Exception { // chapter 5, chapter 11: exit codes
    for (String name : List.of("empty", "records", "rollover", "epochs", "low_tail", "torn_tail", "lost_tail", "damaged_tail", "damaged_sealed")) {
      Path d = Fixture.vector(name, Files.createTempDirectory(tmp, "v"));
      Process p = Fixture.puro("verify", d);
      Fixture.output(p);
      assertEquals(p.exitValue(), Verify.run(d, false).exit(), name);
    }
  }

  @Test void unknownEntriesAreCarriedAlong() throws Exception { // F-32, by both
    try (Producer p = Producer.open(dir, Fixture.small(World.REAL))) {
      p.transaction(List.of(), List.of(Rec.entry("mystery", Bytes.ascii("k"), Bytes.ascii("v"))), false, null);
      for (int i = 0; i < 5; i++) {
        p.append(Fixture.recs("x".repeat(3900)));
        puro(0, "produce", "-t", "y", dir, Files.writeString(tmp.resolve("l"), "y".repeat(3900) + "\n"));
      }
      p.append(Fixture.recs("z"));
      assertEquals("v", Bytes.text(p.memory().state.get("mystery", Bytes.ascii("k"))));
      assertTrue(p.memory().segment.number >= 9);
    }
  }

  @Test void aForgedBlockInAValue() throws Exception { // F-43: neither takes it for a block
    try (Producer p = Producer.open(dir, options())) {
      p.append(Fixture.recs("a"));
      Memory m = p.memory();
      byte[] value = new byte[500];
      long at0 = m.position;
      for (int at = 0; at + 128 <= value.length; at++) {
        long place = m.position + Limits.START + 9 + at; // crc 4, length 2, attributes, topic_len, topic
        if (place % 64 != 0) continue;
        byte[] f = Block.encode(m.segment.header.crc(), place, Block.RECORDS, new byte[3], false, 1, 0, 0, 0, 1L << 40, 1, Block.HIGH);
        System.arraycopy(f, 0, value, at, f.length);
        break;
      }
      p.append(List.of(new Rec(Bytes.ascii("t"), null, List.of(), value, false)));
      assertTrue(Block.look(m.segment, at0, m.segment.header.crc(), null, 0, false).block().hasControl()); // a pad
      p.append(Fixture.recs("b"));
    }
    assertEquals(3, Fixture.all(dir).size());
    puro(0, "verify", "--deep", dir);
    assertEquals("sound", Verify.run(dir, true).verdict());
  }
}
