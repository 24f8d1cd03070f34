package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Durable appends, and syncs that fail (A-11, A-14, E-4). */
class SyncTest {
  @TempDir Path tmp;
  private final Fixture.Fixed w = new Fixture.Fixed();
  private final List<String> synced = new ArrayList<>();
  private int failures;

  @AfterEach void quiet() {
    OpenFile.beforeSync = name -> {};
  }

  private void watch() {
    OpenFile.beforeSync = name -> {
      synced.add(name);
      if (failures-- > 0) throw new UncheckedIOException(new IOException("made to fail"));
    };
  }

  @Test void durable() throws Exception { // A-11, F-23
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      watch();
      p.append(Fixture.recs("a"));
      assertEquals(0, synced.size());
      p.append(Fixture.recs("b"), true);
      assertEquals(1, synced.size());
      long known = p.memory().position;
      p.append(Fixture.recs("c"));
      Block.Look l = Block.look(p.memory().segment, known, p.memory().segment.header.crc(), null, 0, false);
      assertEquals(known, l.block().durableTo());
    }
  }

  @Test void theSettingDurable() throws Exception { // F-34
    Path dir = tmp.resolve("s");
    Producer.Options o = Fixture.options(w);
    o.settings = java.util.Map.of("durable", "true");
    try (Producer p = Producer.open(dir, o)) {
      watch();
      p.append(Fixture.recs("a"));
      assertEquals(1, synced.size());
    }
  }

  @Test void mended() throws Exception { // rewritten, and synced again
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      watch();
      failures = 1;
      p.append(Fixture.recs("a"), true);
      assertEquals(2, synced.size());
      assertFalse(p.memory().segment.file.syncFailed);
      assertEquals(p.memory().position, p.memory().known);
    }
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void appendedNotDurable() throws Exception {
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w)); Producer q = Producer.open(dir, Fixture.options(w))) {
      watch();
      failures = 2;
      Fixture.fails(PuroException.Kind.NOT_DURABLE, () -> p.append(Fixture.recs("a"), true));
      assertTrue(q.memory().segment.file.syncFailed); // of the file: q's next sync must not be believed either
      q.append(Fixture.recs("b"), true);
      assertFalse(p.memory().segment.file.syncFailed);
    }
    assertEquals(List.of("a", "b"), Fixture.all(dir));
  }

  @Test void aSealThatFails() throws Exception { // V-3, V-6
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.small(w))) {
      p.append(Fixture.recs("x".repeat(3900)));
      watch();
      failures = 2;
      assertThrows(PuroException.class, () -> p.append(Fixture.recs("y".repeat(3900))));
      assertFalse(Files.exists(Fixture.segment(dir, 1)));
      p.append(Fixture.recs("z"));
      assertTrue(Files.exists(Fixture.segment(dir, 1)));
    }
    assertEquals(2, Fixture.all(dir).size());
    assertEquals("sound", Verify.run(dir, true, w).verdict());
  }

  @Test void anotherOnesRaise() throws Exception { // E-4: found, and not known to be on disk
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.options(w));
    w.boot = Fixture.boot(0xC1);
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      watch();
      failures = 2;
      assertThrows(PuroException.class, () -> p.append(Fixture.recs("a"))); // the raise is there, its sync failed
      try (Producer q = Producer.open(dir, Fixture.options(w))) {
        q.memory().segment.file.syncFailed = false; // as in another process, which was not told
        synced.clear();
        q.append(Fixture.recs("b"));
        assertEquals(1, synced.size()); // E-4
        assertEquals(2, q.memory().state.newestEpoch());
        q.append(Fixture.recs("c"));
        assertEquals(1, synced.size());
      }
    }
  }

  @Test void aCutThatFails() throws Exception {
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(w))) {
      p.append(Fixture.recs("a"));
      byte[] low = new byte[64];
      low[1] = 1;
      Fixture.append(Fixture.segment(dir, 0), low);
      watch();
      failures = 1;
      p.append(Fixture.recs("b"));
      assertEquals(2, synced.size());
      assertEquals("UNSEEN", p.repairs().get(0).row());
    }
    assertEquals(List.of("a", "b"), Fixture.all(dir));
  }
}
