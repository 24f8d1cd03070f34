package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The rows of the recovery table (protocol.md, chapter 5), in the same boot and in another. */
class RecoveryTest {
  @TempDir Path tmp;
  private final Fixture.Fixed w = new Fixture.Fixed();
  private Path dir, file;
  private long end; // P
  private int headerCrc, crc;

  @BeforeEach void make() throws Exception {
    dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      p.append(Fixture.recs("b"));
      end = p.memory().position;
      crc = p.memory().crc;
      headerCrc = p.memory().segment.header.crc();
    }
    file = Fixture.segment(dir, 0);
  }

  private byte[] block(long at, int prev, long first, byte signal, long durable, String value) {
    byte[] body = Rec.of("t", null, value).encode();
    return Block.encode(headerCrc, at, Block.RECORDS, body, false, 1, prev, first, 9, durable, 1, signal);
  }

  private byte[] next(byte signal, long durable) {
    return block(end, crc, 2, signal, durable, "c");
  }

  private void tail(byte[]... parts) throws IOException {
    for (byte[] p : parts) Fixture.append(file, p);
  }

  /** Repairs by an append; gives the row. Checks what must be so of each row. */
  private String repair(boolean otherBoot) throws Exception {
    if (otherBoot) w.boot = Fixture.boot(0xC1);
    byte[] was = Files.readAllBytes(file);
    byte[] cut = Arrays.copyOfRange(was, (int) end, was.length);
    String row;
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("z"));
      row = p.repairs().isEmpty() ? "CLEAN" : p.repairs().get(0).row();
      boolean lost = row.equals("LOST");
      assertEquals(lost || otherBoot ? 2 : 1, p.memory().state.newestEpoch()); // X-6, E-2
      if (lost) assertArrayEquals(cut, Files.readAllBytes(dir.resolve(p.repairs().get(0).saved())));
      else assertFalse(Files.exists(dir.resolve("lost")));
    }
    assertEquals(List.of("a", "b", "z"), Fixture.all(dir));
    assertEquals("sound", Verify.run(dir, true, w).verdict());
    return row;
  }

  private void damaged(boolean otherBoot) throws Exception {
    if (otherBoot) w.boot = Fixture.boot(0xC1);
    byte[] was = Files.readAllBytes(file);
    Fixture.fails(PuroException.Kind.DAMAGED, () -> {
      try (Producer p = Producer.open(dir, Fixture.options(w))) {
        p.append(Fixture.recs("z"));
      }
    });
    assertArrayEquals(was, Files.readAllBytes(file)); // nothing is changed
    assertEquals("damaged", Verify.run(dir, true, w).verdict());
  }

  @Test void clean() throws Exception { assertEquals("CLEAN", repair(false)); }
  @Test void cleanOtherBoot() throws Exception { assertEquals("CLEAN", repair(true)); }

  @Test void zeros() throws Exception { // F-56: nothing, an odd number of them, too
    tail(new byte[100]);
    assertEquals("CLEAN", repair(false));
  }

  @Test void zerosOtherBoot() throws Exception {
    tail(new byte[300_000]);
    assertEquals("CLEAN", repair(true));
  }

  @Test void zerosAreNothing() throws Exception { // F-56, Z-4: to a verifier, to readers, to a repair
    tail(new byte[1000]);
    byte[] was = Files.readAllBytes(file);
    Verify v = Verify.run(dir, true, w);
    assertEquals("sound", v.verdict(), v.findings.toString());
    assertEquals(end, v.bytes);
    try (Reader r = Reader.open(dir, false, w)) {
      assertEquals(2, Fixture.all(r).size());
      assertTrue(r.endIsClean());
      assertNull(r.endProblem());
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      while (r.next() != null) { }
      assertFalse(r.oddEnd());
    }
    Files.delete(dir.resolve("writer.lock"));
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      assertEquals(List.of(), p.repair());
      assertFalse(Files.exists(dir.resolve("writer.lock"))); // O-9: nothing to do, so no file is made
    }
    assertArrayEquals(was, Files.readAllBytes(file));
  }

  @Test void aGapInGenerationZero() throws Exception { // R-3, K-14: a reader goes on, and counts it
    byte[] body = new Bytes.Out().raw(Rec.entry("gap", null, new byte[] {3}).encode()).raw(Rec.of("t", null, "c").encode()).done();
    tail(Block.encode(headerCrc, end, Block.RECORDS, body, true, 4, crc, 2, w.now, 0, 1, Block.HIGH));
    try (Reader r = Reader.open(dir)) {
      assertEquals(List.of("a", "b", "c"), Fixture.all(r));
      assertEquals(6, r.nextOffset());
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      r.seek(2);
      assertEquals(5, r.next().offset());
    }
    assertEquals("sound", Verify.run(dir, false, w).verdict());
    assertEquals("damaged", Verify.run(dir, true, w).verdict());
  }

  @Test void behindALongHole() throws Exception { // Z-6: zeros, and what a loss of power left behind them
    tail(new byte[200_000], new byte[] {1});
    assertEquals("LOST", repair(true));
  }

  @Test void zerosUnderAnOpenProducer() throws Exception { // A-2, Z-7: put there by others, in turns with appends
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("c"));
      tail(new byte[4096]);
      p.append(Fixture.recs("d"));
      assertEquals(List.of("a", "b", "c", "d"), Fixture.all(dir));
      byte[] all = Files.readAllBytes(file);
      all[(int) p.memory().position + 300] = 7; // a dead writer's, whose beginning is missing (M-3)
      Files.write(file, all);
      p.append(Fixture.recs("e"));
      assertEquals("UNSEEN", p.repairs().get(0).row());
    }
    assertEquals(List.of("a", "b", "c", "d", "e"), Fixture.all(dir));
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void zerosAndARollover() throws Exception { // V-3, K-11: none are left behind a segment end
    tail(Block.encode(headerCrc, end, Block.SEGMENT_END, new byte[0], false, 0, crc, 2, w.now, 0, 1, Block.HIGH));
    tail(new byte[777]);
    assertEquals("repairable", Verify.run(dir, true, w).verdict()); // K-13
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("z"));
      assertEquals(List.of(), p.repairs());
      assertEquals(1, p.memory().segment.number);
    }
    assertEquals(end + 64, Files.size(file));
    tail(new byte[777]); // of a sealed segment
    assertEquals("sound", Verify.run(dir, true, w).verdict());
    assertEquals(List.of("a", "b", "z"), Fixture.all(dir));
    tail(new byte[] {1});
    assertEquals("damaged", Verify.run(dir, true, w).verdict());
  }

  @Test void unseen() throws Exception {
    tail(next(Block.LOW, 0));
    assertEquals("UNSEEN", repair(false));
  }

  @Test void lowInAnotherBoot() throws Exception {
    tail(next(Block.LOW, 0));
    assertEquals("LOST", repair(true));
  }

  @Test void unseenTornStart() throws Exception {
    tail(Arrays.copyOf(next(Block.LOW, 0), 30));
    assertEquals("UNSEEN", repair(false));
  }

  @Test void unseenBodyIsNoEvidence() throws Exception {
    byte[] b = block(end, crc, 2, Block.LOW, 0, "x".repeat(300));
    byte[] forged = block(end + 128, 0, 7, Block.HIGH, 1L << 40, "f");
    System.arraycopy(forged, 0, b, 128, forged.length);
    tail(b);
    assertEquals("UNSEEN", repair(false));
  }

  @Test void garbage() throws Exception {
    tail(new byte[] {7, 8, 9});
    assertEquals("LOST", repair(false));
  }

  @Test void tornHigh() throws Exception {
    tail(Arrays.copyOf(next(Block.HIGH, 0), 70));
    assertEquals("LOST", repair(true));
  }

  @Test void lowWithAStartBehind() throws Exception {
    byte[] torn = Arrays.copyOf(new byte[] {0, 5}, 64);
    tail(torn, block(end + 64, 1, 3, Block.LOW, 0, "d"));
    assertEquals("LOST", repair(false));
  }

  @Test void committedBehindInThisBoot() throws Exception {
    tail(new byte[64], block(end + 64, 1, 3, Block.HIGH, 0, "d"));
    damaged(false);
  }

  @Test void committedBehindInAnotherBoot() throws Exception {
    tail(new byte[64], block(end + 64, 1, 3, Block.HIGH, 0, "d"));
    assertEquals("LOST", repair(true));
  }

  @Test void knownByABlockBehind() throws Exception {
    tail(new byte[64], block(end + 64, 1, 3, Block.LOW, end + 64, "d"));
    damaged(true);
  }

  @Test void knownByTheOpeningCheckpoint() throws Exception {
    Fixture.flip(file, 70);
    damaged(true);
  }

  @Test void headerDamaged() throws Exception {
    Fixture.flip(file, 40);
    Fixture.fails(PuroException.Kind.DAMAGED, () -> Producer.open(dir, Fixture.options(w)));
    assertThrows(PuroException.class, () -> Reader.open(dir));
  }

  @Test void noBlock() throws Exception {
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 64));
    damaged(true);
  }

  @Test void savedTailsOfOneName() throws Exception { // F-41, X-7
    byte[] tail = {7, 8, 9, 10};
    String stem = String.format("0000000000-%020d-%08x", end, Bytes.crc(tail, 0, 4));
    Files.createDirectory(dir.resolve("lost"));
    Files.write(dir.resolve("lost/" + stem + ".tail"), new byte[] {1});
    Files.createSymbolicLink(dir.resolve("lost/" + stem + "-1.tail"), Path.of("/etc/passwd"));
    Files.write(dir.resolve("lost/" + stem + "-2.tail"), new byte[] {7, 8}); // of a repair that died
    tail(tail);
    assertEquals("LOST", repair(false));
    assertArrayEquals(tail, Files.readAllBytes(dir.resolve("lost/" + stem + "-2.tail")));
    assertEquals(1, Files.size(dir.resolve("lost/" + stem + ".tail")));
    assertFalse(Files.exists(dir.resolve("lost/" + stem + "-3.tail")));
  }

  @Test void behindASegmentEnd() throws Exception { // no raise; A-5 before A-6
    tail(Block.encode(headerCrc, end, Block.SEGMENT_END, new byte[0], false, 0, crc, 2, w.now, 0, 1, Block.HIGH));
    tail(new byte[] {1, 2, 3});
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("z"));
      assertEquals("LOST", p.repairs().get(0).row());
      assertEquals(1, p.memory().state.newestEpoch());
      assertEquals(1, p.memory().segment.number);
    }
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void whatAWriterKnew() throws Exception {
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("c"), true); // synced
      long size = Files.size(file);
      try (var c = java.nio.channels.FileChannel.open(file, java.nio.file.StandardOpenOption.WRITE)) {
        c.truncate(size - 64);
      }
      Fixture.fails(PuroException.Kind.DAMAGED, () -> p.append(Fixture.recs("z")));
      assertEquals(size - 64, Files.size(file));
    }
    assertEquals("LOST", repair(false)); // another one, which did not know
  }

  @Test void aStaleEnd() throws Exception { // others repaired and appended to the very same length
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("c"));
      long size = Files.size(file);
      byte[] b = Files.readAllBytes(file);
      Files.write(file, Arrays.copyOf(b, (int) end)); // a loss of power took "c"
      try (Producer q = Producer.open(dir, Fixture.options(w))) {
        q.append(Fixture.recs("d"));
      }
      assertEquals(size, Files.size(file));
      p.append(Fixture.recs("e"));
    }
    assertEquals(List.of("a", "b", "d", "e"), Fixture.all(dir));
  }

  @Test void unknownBoot() throws Exception { // E-2, M-7
    w.boot = null;
    for (int i = 0; i < 2; i++) {
      try (Producer p = Producer.open(dir, Fixture.options(w))) {
        p.append(Fixture.recs("c" + i));
        p.append(Fixture.recs("d" + i));
        assertEquals(2 + i, p.memory().state.newestEpoch());
      }
    }
    assertEquals(List.of("a", "b", "c0", "d0", "c1", "d1"), Fixture.all(dir));
  }
}
