package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Seeking, tokens, waiting, and what is told when the past changes (protocol.md, chapters 6 and 8). */
class ReaderTest {
  @TempDir Path tmp;
  private final Fixture.Fixed w = new Fixture.Fixed();

  private Path stream(int n) {
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < n; i++) p.append(Fixture.recs(i + "-a" + "x".repeat(100), i + "-b", i + "-c"));
    }
    return dir;
  }

  @Test void seekByOffset() throws Exception {
    Path dir = stream(60);
    try (Reader r = Reader.open(dir)) {
      for (int o = 0; o < 180; o++) {
        r.seekOffset(o);
        assertEquals(o, r.poll().offset());
      }
      r.seekOffset(180);
      assertNull(r.poll());
      r.seekEnd();
      assertEquals(180, r.nextOffset());
      Fixture.fails(PuroException.Kind.OUT_OF_RANGE, () -> r.seekOffset(181));
    }
    Files.delete(Fixture.segment(dir, 0)); // as retention does
    long base;
    try (Reader r = Reader.open(dir)) {
      base = r.nextOffset();
      assertTrue(base > 0);
      Fixture.fails(PuroException.Kind.OUT_OF_RANGE, () -> r.seekOffset(base - 1));
      r.seekOffset(base);
      assertEquals(base, r.poll().offset());
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      for (long o = base; o < 180; o += 13) {
        r.seek(o);
        assertEquals(o, r.next().offset());
      }
      assertThrows(SmallestReader.Told.class, () -> r.seek(base - 1));
      assertThrows(SmallestReader.Told.class, () -> r.seek(181));
    }
  }

  @Test void aHoleIsDamage() throws Exception { // V-9
    Path dir = stream(60);
    Files.delete(Fixture.segment(dir, 1));
    try (Reader r = Reader.open(dir)) {
      Fixture.fails(PuroException.Kind.DAMAGED, () -> Fixture.all(r));
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      assertThrows(SmallestReader.Told.class, () -> {
        while (r.next() != null);
      });
    }
    assertEquals("damaged", Verify.run(dir, false, w).verdict());
  }

  @Test void deletedBehindAConsumer() throws Exception { // V-8, V-9, R-16
    Path dir = stream(60);
    try (Reader r = Reader.open(dir)) {
      r.poll();
      Files.delete(Fixture.segment(dir, 0));
      Files.delete(Fixture.segment(dir, 1));
      Fixture.fails(PuroException.Kind.OUT_OF_RANGE, () -> Fixture.all(r));
      Fixture.fails(PuroException.Kind.OUT_OF_RANGE, r::poll);
    }
  }

  @Test void tokens() { // E-7 to E-9
    Path dir = Fixture.vector("epochs", tmp);
    String id = "101112131415161718191a1b1c1d1e1f";
    try (Reader r = Reader.open(dir)) {
      while (r.poll() != null);
      assertEquals(id + ":3:3", r.token().toString());
      for (String good : List.of(":3:3", ":1:1", ":2:2", ":0:3", ":1:0", ":2:1", ":003:03")) {
        r.seek(Token.parse(id.toUpperCase() + good));
      }
      for (String gone : List.of(":1:2", ":2:3", ":4:3", ":3:4", ":0:4")) {
        Fixture.fails(PuroException.Kind.DIVERGED, () -> r.seek(Token.parse(id + gone)));
      }
      Fixture.fails(PuroException.Kind.OTHER_STREAM, () -> r.seek(Token.parse("00" + id.substring(2) + ":1:1")));
      r.seek(Token.parse(id + ":1:1"));
      assertEquals(id + ":1:1", r.token().toString());
      assertEquals(id + ":2:2", r.poll().next().toString());
    }
    for (String bad : List.of("", id, id + ":1", id + ":-1:2", id + ":4294967296:2", "x" + id.substring(1) + ":1:1")) {
      Fixture.fails(PuroException.Kind.USAGE, () -> Token.parse(bad));
    }
  }

  private void truncate(Path file, long size) throws Exception {
    try (FileChannel c = FileChannel.open(file, StandardOpenOption.WRITE)) {
      c.truncate(size);
    }
  }

  @Test void aWaitingReaderIsToldOfACutByItsToken() throws Exception { // R-11, first case of E-7
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      long keep = p.memory().position;
      p.append(Fixture.recs("b"));
      try (Reader r = Reader.open(dir)) {
        assertEquals(2, Fixture.all(r).size());
        truncate(Fixture.segment(dir, 0), keep + 10); // a loss of power
        assertNull(r.await(150)); // nobody has repaired yet
        w.boot = Fixture.boot(0xC1);
        try (Producer q = Producer.open(dir, Fixture.options(w))) {
          q.append(Fixture.recs("c", "d", "e"));
        }
        Fixture.fails(PuroException.Kind.DIVERGED, () -> r.await(500));
        Fixture.fails(PuroException.Kind.DIVERGED, r::poll);
      }
    }
  }

  @Test void andWithoutARaise() throws Exception { // who repaired died between cut and raise
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      long keep = p.memory().position;
      p.append(Fixture.recs("b"));
      try (Reader r = Reader.open(dir); SmallestReader small = new SmallestReader(tmp.resolve("s").resolve("."))) {
        fail("two readers that do not share the table cannot be in one process");
      } catch (java.nio.channels.OverlappingFileLockException e) {
        // L-2: as the README says
      }
      try (Reader r = Reader.open(dir)) {
        assertEquals(2, Fixture.all(r).size());
        truncate(Fixture.segment(dir, 0), keep);
        try (Producer q = Producer.open(dir, Fixture.options(w))) {
          q.append(Fixture.recs("longer than b"));
        }
        Fixture.fails(PuroException.Kind.DIVERGED, () -> r.await(500));
      }
    }
  }

  @Test void onlyBlocksWithoutRecordsWereTakenBack() throws Exception { // it goes on
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      long keep = p.memory().position;
      p.transaction(List.of(), List.of(Rec.entry("mystery", new byte[1], new byte[1])), false, null);
      try (Reader r = Reader.open(dir)) {
        assertEquals(1, Fixture.all(r).size());
        truncate(Fixture.segment(dir, 0), keep);
        assertNull(r.await(150));
        try (Producer q = Producer.open(dir, Fixture.options(w))) {
          q.append(Fixture.recs("b"));
        }
        assertEquals("b", r.await(2000).value());
      }
    }
  }

  @Test void movedAndReplaced() throws Exception { // R-11, O-8
    Path dir = stream(1);
    try (Reader r = Reader.open(dir); Producer p = Producer.open(dir, Fixture.options(w))) {
      Fixture.all(r);
      Files.move(dir, tmp.resolve("moved"));
      Producer.create(dir, Fixture.options(World.REAL));
      p.append(Fixture.recs("here")); // O-8: it goes on in the directory that it holds
      assertEquals("here", r.poll().value());
      Fixture.fails(PuroException.Kind.REMOVED, () -> r.await(500));
    }
    assertEquals(0, Fixture.all(dir).size());
    assertEquals(4, Fixture.all(tmp.resolve("moved")).size());
  }

  @Test void needsRepairIsToldOnTheSecondLook() throws Exception {
    Path dir = Fixture.vector("low_tail", tmp);
    try (Reader r = Reader.open(dir)) {
      assertEquals(2, Fixture.all(r).size());
      assertNull(r.endProblem());
      Thread.sleep(Limits.POLL_MS + 10);
      assertTrue(r.endProblem().cuts());
    }
  }

  @Test void follow() throws Exception {
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.small(w));
    Thread t = new Thread(() -> {
      try (Producer p = Producer.open(dir, Fixture.options(w))) {
        for (int i = 0; i < 300; i++) p.append(Fixture.recs(i + "z".repeat(200)));
      }
    });
    try (Reader r = Reader.open(dir)) {
      t.start();
      for (int i = 0; i < 300; i++) assertTrue(r.await(10_000).value().startsWith(i + "z"));
    }
    t.join();
  }

  @Test void byTime() throws Exception { // R-10, F-22
    Path dir = tmp.resolve("s");
    Fixture.Fixed w = new Fixture.Fixed();
    long begin = w.now;
    int[] times = {10, 20, 15, 30, 25, 40};
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int t : times) {
        w.now = begin + t;
        p.append(Fixture.recs(t + "x".repeat(1500)));
      }
      assertTrue(p.memory().segment.number > 0);
    }
    try (Reader r = Reader.open(dir)) {
      int[] sought = {0, 10, 11, 20, 21, 30, 31, 40}, wanted = {10, 10, 20, 20, 30, 30, 40, 40};
      for (int i = 0; i < sought.length; i++) {
        r.seekTime(begin + sought[i]);
        assertTrue(r.poll().value().startsWith(wanted[i] + "x"), "" + sought[i]);
      }
      r.seekTime(begin + 41);
      assertNull(r.poll());
      assertEquals(6, r.nextOffset());
    }
  }

  @Test void aClockThatWasAhead() throws Exception {
    Path dir = tmp.resolve("s");
    Fixture.Fixed w = new Fixture.Fixed();
    long begin = w.now;
    int[] times = {10, 900, 20, 30, 950, 960};
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int t : times) {
        w.now = begin + t;
        p.append(Fixture.recs(t + "x".repeat(1500)));
      }
    }
    w.now = begin + 500;
    try (Reader r = Reader.open(dir, false, w)) {
      int[] sought = {10, 11, 20, 21, 30, 31, 500, 501, 951}, wanted = {10, 900, 900, 30, 30, 950, 950, 900, 960};
      for (int i = 0; i < sought.length; i++) {
        r.seekTime(begin + sought[i]);
        String first = r.poll().value();
        assertTrue(first.startsWith(wanted[i] + "x"), sought[i] + ": " + first.substring(0, 4));
      }
    }
  }

  @Test void aCompactedSegment() throws Exception { // F-33, F-38, F-39
    Path dir = tmp.resolve("s");
    List<String> left;
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < 30; i++) p.append(Fixture.recs("v" + i + "x".repeat(200)));
    }
    // what a compaction leaves: generation 1, a gap in the first block, the second one gone
    Path file = Fixture.segment(dir, 0);
    byte[] was = Files.readAllBytes(file);
    Header h = Header.parse(was);
    byte[] head = Header.encode(h.streamId(), 0, h.created(), 0, 1, 1);
    Bytes.Out out = new Bytes.Out().raw(head);
    int crc = Bytes.i32(head, 60), seen = 0;
    for (int at = 64; at < was.length; ) {
      Block b = new Block(at, java.util.Arrays.copyOfRange(was, at, at + new Block(at, java.util.Arrays.copyOfRange(was, at, at + 48)).length()));
      at += b.length();
      if (b.kind() == Block.RECORDS && seen++ == 1) continue;
      byte[] body = java.util.Arrays.copyOfRange(b.bytes, 48, 48 + (int) b.bodyLen());
      if (b.kind() == Block.RECORDS && seen == 1) body = Rec.entry("gap", null, new byte[] {1}).encode();
      byte[] c = Block.encode(Bytes.i32(head, 60), out.size(), b.kind(), body, b.hasControl() || seen == 1 && b.kind() == Block.RECORDS,
          b.recordCount(), crc, b.firstOffset(), b.timestamp(), 0, 1, Block.HIGH);
      crc = Bytes.i32(c, c.length - 4);
      out.raw(c);
    }
    Files.write(file, out.done());
    try (Reader r = Reader.open(dir)) {
      assertEquals(2, r.poll().offset());
      left = Fixture.all(r);
      assertEquals(27, left.size());
      r.seekOffset(1);
      assertEquals(2, r.poll().offset());
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      assertEquals(2, r.next().offset());
    }
  }
}
