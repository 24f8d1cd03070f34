package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rollover, and what is left when its writer dies (protocol.md, chapter 7). */
class RolloverTest {
  @TempDir Path tmp;
  private final Fixture.Fixed w = new Fixture.Fixed();

  private List<String> fill(Path dir, int n) {
    List<String> sent = new ArrayList<>();
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < n; i++) {
        w.now += 1000;
        sent.add("v" + i + "x".repeat(i * 7 % 500));
        p.append(Fixture.recs(sent.get(i)), i % 5 == 0);
      }
    }
    return sent;
  }

  @Test void manySegments() throws Exception { // V-1 to V-5, V-8, F-49
    Path dir = tmp.resolve("s");
    List<String> sent = fill(dir, 200);
    assertTrue(Files.exists(Fixture.segment(dir, 8)));
    assertEquals(sent, Fixture.all(dir));
    Verify v = Verify.run(dir, true, w);
    assertEquals("sound", v.verdict(), v.findings.toString());
    assertEquals(200, v.records);
    try (SmallestReader r = new SmallestReader(dir)) {
      for (String s : sent) assertEquals(s, Bytes.text(r.next().value()));
      assertNull(r.next());
    }
  }

  @Test void aBlockLargerThanASegment() { // V-1
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("x".repeat(20_000)));
      assertEquals(0, p.memory().segment.number);
      p.append(Fixture.recs("y".repeat(20_000)));
      assertEquals(1, p.memory().segment.number);
      p.append(Fixture.recs("z"));
      assertEquals(2, p.memory().segment.number);
    }
    assertEquals(3, Fixture.all(dir).size());
  }

  /** Takes the highest segment away, as if its writer had died before the rename. */
  private long sealedWithoutSuccessor(Path dir) throws Exception {
    long n = 0;
    while (Files.exists(Fixture.segment(dir, n + 1))) n++;
    Files.delete(Fixture.segment(dir, n));
    return n - 1;
  }

  @Test void finished() throws Exception { // V-6, K-13
    Path dir = tmp.resolve("s");
    fill(dir, 60);
    long last = sealedWithoutSuccessor(dir);
    Files.write(dir.resolve(Names.made(last + 1)), new byte[100]); // half made (F-45)
    List<String> left = Fixture.all(dir); // a reader waits there, and tells nothing
    assertEquals("repairable", Verify.run(dir, true, w).verdict());
    try (Reader r = Reader.open(dir); Producer p = Producer.open(dir, Fixture.small(w))) {
      assertEquals(left, Fixture.all(r));
      assertTrue(r.endIsClean());
      p.append(Fixture.recs("more"));
      assertEquals("more", r.poll().value());
      assertEquals(last + 1, p.memory().segment.number);
    }
    assertEquals("sound", Verify.run(dir, true, w).verdict());
    assertFalse(Files.exists(dir.resolve(Names.made(last + 1))));
  }

  @Test void strayInTheWay() throws Exception { // V-5, V-10, K-13, F-9
    Path dir = tmp.resolve("s"), other = tmp.resolve("o");
    fill(dir, 60);
    long last = sealedWithoutSuccessor(dir);
    Producer.create(other, Fixture.options(World.REAL));
    Files.copy(Fixture.segment(other, 0), Fixture.segment(dir, last + 1));
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      assertThrows(PuroException.class, () -> p.append(Fixture.recs("more")));
    }
    assertEquals("damaged", Verify.run(dir, true, w).verdict());
    Files.delete(Fixture.segment(dir, last + 1));
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("more"));
    }
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void bothNamesOfARename() throws Exception { // its own temporary name does not count
    Path dir = tmp.resolve("s");
    fill(dir, 40);
    long n = sealedWithoutSuccessor(dir);
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("x"));
    }
    Files.createLink(dir.resolve(Names.made(n + 1)), Fixture.segment(dir, n + 1));
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("y"));
    }
    assertFalse(Files.exists(dir.resolve(Names.made(n + 1))));
    Files.createLink(tmp.resolve("elsewhere"), Fixture.segment(dir, n + 1));
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      Fixture.fails(PuroException.Kind.REFUSED, () -> p.append(Fixture.recs("z")));
    }
  }

  @Test void twoProducersInTurns() { // each steps over what the other did
    Path dir = tmp.resolve("s");
    List<String> sent = new ArrayList<>();
    try (Producer p = Producer.open(dir, Fixture.small(w)); Producer q = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < 300; i++) {
        sent.add("n" + i + "y".repeat(i % 97));
        (i % 7 < 4 ? p : q).append(Fixture.recs(sent.get(i)));
      }
    }
    assertEquals(sent, Fixture.all(dir));
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void aLargeStateTakesSeveralBlocks() throws Exception { // F-51, and unknown kinds are carried along (F-32)
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < 3; i++) {
        p.transaction(List.of(), List.of(Rec.entry("mystery", Bytes.ascii("k" + i), new byte[700_000])), false, null);
      }
      p.append(Fixture.recs("a"));
      long n = p.memory().segment.number;
      p.append(Fixture.recs("b".repeat(5000)));
      assertEquals(n + 1, p.memory().segment.number);
      assertTrue(p.memory().openingEnd > 2_100_000);
    }
    assertEquals(2, Fixture.all(dir).size());
    Verify v = Verify.run(dir, true, w);
    assertEquals("sound", v.verdict(), v.findings.toString());
  }

  @Test void removedStream() throws Exception {
    Path dir = tmp.resolve("s");
    fill(dir, 10);
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("x"));
      Fixture.delete(dir);
      Fixture.fails(PuroException.Kind.REMOVED, () -> p.append(Fixture.recs("y")));
    } catch (PuroException e) {
      assertEquals(PuroException.Kind.REMOVED, e.kind);
    }
  }

  @Test void aSegmentThatWasMovedAway() throws Exception { // stricter than A-2: see QUESTIONS.md
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("x"));
      Files.move(Fixture.segment(dir, 0), tmp.resolve("elsewhere"));
      Fixture.fails(PuroException.Kind.REMOVED, () -> p.append(Fixture.recs("y")));
    }
  }

  @Test void creationRefusesOtherFiles() throws Exception { // O-2
    Path dir = Files.createDirectory(tmp.resolve("s"));
    Files.write(dir.resolve("letter.txt"), new byte[1]);
    Fixture.fails(PuroException.Kind.USAGE, () -> Producer.create(dir, Fixture.options(w)));
  }
}
