package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Positions that are kept in the stream, conditions and identities (protocol.md, chapter 9; A-16). */
class ConsumerTest {
  @TempDir Path tmp;
  private final Fixture.Fixed w = new Fixture.Fixed();

  private NamedConsumer open(Path dir, NamedConsumer.IfLost lost) {
    return NamedConsumer.open(dir, "bob", lost, Fixture.options(w));
  }

  private Path stream(int n) {
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      for (int i = 0; i < n; i++) p.append(Fixture.recs("v" + i + ":" + "x".repeat(200)));
    }
    return dir;
  }

  @Test void goesOn() {
    Path dir = stream(50);
    int seen = 0;
    for (int run = 0; run < 6; run++) {
      try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL)) {
        assertEquals(run == 0, c.isNew());
        for (int i = 0; i < 10; i++) {
          Reader.Message m = c.poll();
          if (m == null) break;
          assertTrue(m.value().startsWith("v" + seen++ + ":"));
        }
        c.commit();
        if (run % 2 == 0) c.poll(); // read, but not committed
      }
    }
    assertEquals(50, seen);
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void withTheRecordsMadeFromIt() { // C-3: each input once, whenever it dies
    Path dir = stream(10);
    int given = 0;
    while (given < 10) {
      try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL)) {
        for (int i = 0; i < 3; i++) {
          Reader.Message m = c.poll();
          if (m == null || !m.topic().equals("t")) break;
          if (i == 2) break; // dies before the commit
          c.commitWith(List.of(Rec.of("out", null, "of " + m.offset())));
          given++;
        }
      }
    }
    List<String> out = new ArrayList<>();
    try (Reader r = Reader.open(dir)) {
      for (Reader.Message m; (m = r.poll()) != null; ) if (m.topic().equals("out")) out.add(m.value());
    }
    List<String> wanted = new ArrayList<>();
    for (int i = 0; i < 10; i++) wanted.add("of " + i);
    assertEquals(wanted, out);
  }

  @Test void oneOwner() { // L-10
    Path dir = stream(3);
    try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL)) {
      Producer.Options o = Fixture.options(w);
      o.waitMs = 50;
      Fixture.fails(PuroException.Kind.LOCKED, () -> NamedConsumer.open(dir, "bob", NamedConsumer.IfLost.FAIL, o));
      NamedConsumer.open(dir, "alice", NamedConsumer.IfLost.FAIL, o).close();
      c.poll();
      c.commit();
    }
  }

  @Test void somebodyElseCommits() { // C-2
    Path dir = stream(3);
    try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL); Producer p = Producer.open(dir, Fixture.options(w))) {
      c.poll();
      c.commit();
      p.transaction(List.of(), List.of(Rec.entry("position", Bytes.ascii("bob"), new byte[20])), false, null);
      c.poll();
      long before = p.memory().position;
      Fixture.fails(PuroException.Kind.CONFLICT, c::commit);
      p.look();
      assertEquals(before, p.memory().position); // nothing is appended
    }
  }

  @Test void aLostPlace() throws Exception { // C-9
    Path dir = stream(50);
    try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL)) {
      c.poll();
      c.commit();
    }
    Files.delete(Fixture.segment(dir, 0));
    Fixture.fails(PuroException.Kind.PLACE_LOST, () -> open(dir, NamedConsumer.IfLost.FAIL));
    long lowest;
    try (Reader r = Reader.open(dir)) {
      lowest = r.nextOffset();
    }
    try (NamedConsumer c = open(dir, NamedConsumer.IfLost.BEGINNING)) {
      assertEquals(lowest - 1, c.passedOver());
      assertEquals(lowest, c.poll().offset());
    }
    try (NamedConsumer c = open(dir, NamedConsumer.IfLost.FAIL)) {
      assertEquals(lowest, c.poll().offset());
    }
  }

  @Test void aHistoryThatIsGone() throws Exception { // C-2, E-7
    Path dir = tmp.resolve("s");
    long keep;
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      p.transaction(List.of(), List.of(Rec.entry("position", Bytes.ascii("bob"), value(1, 2))), false, null);
      keep = p.memory().position;
      p.append(Fixture.recs("b"));
    }
    Path file = Fixture.segment(dir, 0);
    Files.write(file, java.util.Arrays.copyOf(Files.readAllBytes(file), (int) keep));
    w.boot = Fixture.boot(0xC1);
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("c", "d"));
    }
    Fixture.fails(PuroException.Kind.DIVERGED, () -> open(dir, NamedConsumer.IfLost.BEGINNING));
  }

  private static byte[] value(long epoch, long offset) {
    byte[] v = new byte[20];
    Bytes.put(v, 0, 4, epoch);
    Bytes.put(v, 4, 8, offset);
    return v;
  }

  @Test void appendIf() {
    Path dir = stream(0);
    try (Producer p = Producer.open(dir, Fixture.options(w)); Producer q = Producer.open(dir, Fixture.options(w))) {
      Token t = p.append(Fixture.recs("a")).next();
      t = p.appendIf(t, Fixture.recs("b")).next();
      q.append(Fixture.recs("c"));
      Token old = t;
      Fixture.fails(PuroException.Kind.CONFLICT, () -> p.appendIf(old, Fixture.recs("d")));
      Fixture.fails(PuroException.Kind.DIVERGED, () -> p.appendIf(new Token(old.streamId(), 1, 9), Fixture.recs("d")));
    }
    assertEquals(List.of("a", "b", "c"), Fixture.all(dir));
  }

  @Test void once() { // C-4
    Path dir = stream(0);
    try (Producer p = Producer.open(dir, Fixture.options(w)); Producer q = Producer.open(dir, Fixture.options(w))) {
      assertFalse(p.appendOnce("me", 0, Fixture.recs("a")).again());
      Producer.Appended again = q.appendOnce("me", 0, Fixture.recs("a"));
      assertTrue(again.again());
      assertEquals(0, again.firstOffset());
      q.append(Fixture.recs("other"));
      assertEquals(2, q.appendOnce("me", 5, Fixture.recs("b", "c")).firstOffset());
      assertEquals(2, p.appendOnce("me", 5, Fixture.recs("b", "c")).firstOffset());
      Fixture.fails(PuroException.Kind.OLD_SEQUENCE, () -> p.appendOnce("me", 4, Fixture.recs("x")));
      Fixture.fails(PuroException.Kind.OLD_SEQUENCE, () -> p.appendOnce("me", 5, Fixture.recs("x")));
    }
    assertEquals(List.of("a", "other", "b", "c"), Fixture.all(dir));
  }
}
