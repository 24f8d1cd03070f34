package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Locks (protocol.md, chapter 2), and above all that Java's do not get lost (L-2, L-9). */
class LockTest {
  @TempDir Path tmp;

  /** A process that tries a lock once, and says what came of it. */
  public static final class Try {
    public static void main(String[] a) throws Exception {
      try (var c = java.nio.channels.FileChannel.open(Path.of(a[0]), java.nio.file.StandardOpenOption.READ,
          java.nio.file.StandardOpenOption.WRITE)) {
        System.out.print(c.tryLock() == null ? "held" : "free");
      }
    }
  }

  private static String elsewhere(Path file) throws Exception {
    return Fixture.output(Fixture.start(Fixture.JAVA, "puro.LockTest$Try", file));
  }

  @Test void aLockOutlivesOtherUsersOfItsFile() throws Exception { // L-2, L-9
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.options(World.REAL));
    Path file = Fixture.segment(dir, 0), lock = dir.resolve("writer.lock");
    try (Reader r = Reader.open(dir)) {
      assertEquals("held", elsewhere(file));
      try (Producer p = Producer.open(dir, Fixture.options(World.REAL)); Reader q = Reader.open(dir)) {
        q.seekEnd(); // opens, scans and closes the same file
        p.append(Fixture.recs("a"));
      }
      Verify.run(dir, true);
      assertEquals("held", elsewhere(file));
      LockFile mine = new LockFile(Dir.open(dir, false), "writer.lock");
      Files.setLastModifiedTime(lock, java.nio.file.attribute.FileTime.fromMillis(0));
      mine.lock(1000, null);
      assertTrue(Files.getLastModifiedTime(lock).toMillis() > 0); // L-4
      assertEquals(0, Files.size(lock)); // F-40
      Producer.Options o = Fixture.options(World.REAL);
      o.waitMs = 50;
      try (Producer p = Producer.open(dir, o)) {
        Fixture.fails(PuroException.Kind.LOCKED, () -> p.append(Fixture.recs("b"))); // L-8, and our own threads
      }
      assertEquals("held", elsewhere(lock));
      mine.close();
      assertEquals("free", elsewhere(lock));
    }
    assertEquals("free", elsewhere(file));
  }

  @Test void whatJavaDoesBehindOurBackTakesLocksAway() throws Exception { // why LockFile and Alike do without it
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.options(World.REAL));
    Path lock = dir.resolve("writer.lock");
    LockFile mine = new LockFile(Dir.open(dir, false), "writer.lock");
    mine.lock(1000, null);
    Files.setAttribute(lock, "unix:mode", 0644); // chmod: opens nothing
    Files.readAttributes(lock, "unix:nlink");
    assertEquals("held", elsewhere(lock));
    Files.setLastModifiedTime(lock, java.nio.file.attribute.FileTime.fromMillis(0)); // opens and closes it
    assertEquals("free", elsewhere(lock));
    mine.close();
  }

  @Test void anInterruptDoesNotTakeALockAway() throws Exception { // Calm
    Path dir = tmp.resolve("s");
    AtomicReference<Throwable> failed = new AtomicReference<>();
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      Thread t = new Thread(() -> {
        try {
          for (int i = 0; i < 300; i++) {
            p.append(Fixture.recs("v" + i));
            Thread.interrupted();
          }
        } catch (Throwable e) {
          failed.set(e);
        }
      });
      t.start();
      while (t.isAlive()) {
        t.interrupt();
        Thread.sleep(1);
      }
    }
    assertNull(failed.get());
    assertEquals(300, Fixture.all(dir).size());
  }

  @Test void threadsExcludeEachOther() throws Exception {
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.small(World.REAL));
    List<Thread> threads = new ArrayList<>();
    AtomicReference<Throwable> failed = new AtomicReference<>();
    for (int n = 0; n < 4; n++) {
      int me = n;
      threads.add(new Thread(() -> {
        try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
          for (int i = 0; i < 50; i++) p.append(Fixture.recs(me + "-" + i));
        } catch (Throwable e) {
          failed.set(e);
        }
      }));
    }
    threads.forEach(Thread::start);
    for (Thread t : threads) t.join();
    assertNull(failed.get());
    assertEquals(200, new TreeSet<>(Fixture.all(dir)).size());
    assertEquals("sound", Verify.run(dir, true).verdict());
  }

  @Test void aLockFileThatLostItsName() throws Exception { // L-4
    Path dir = tmp.resolve("s");
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL)); Producer q = Producer.open(dir, Fixture.options(World.REAL))) {
      for (int i = 0; i < 30; i++) {
        p.append(Fixture.recs("p" + i));
        if (i % 3 == 0) Files.delete(dir.resolve("writer.lock"));
        q.append(Fixture.recs("q" + i));
        if (i % 3 == 1) Files.move(dir.resolve("writer.lock"), dir.resolve("old" + i));
      }
    }
    assertEquals(60, Fixture.all(dir).size());
  }

  @Test void whatIsNoLockFile() throws Exception { // F-44
    Path dir = tmp.resolve("s");
    Producer.create(dir, Fixture.options(World.REAL));
    Path lock = dir.resolve("writer.lock");
    Files.createLink(tmp.resolve("other"), lock);
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      Fixture.fails(PuroException.Kind.REFUSED, () -> p.append(Fixture.recs("a")));
    }
    Files.delete(lock);
    Files.createSymbolicLink(lock, tmp.resolve("other"));
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      Fixture.fails(PuroException.Kind.REFUSED, () -> p.append(Fixture.recs("a")));
    }
  }

  @Test void whatIsNoSegment() throws Exception { // F-8, O-5: a FIFO and a link under a segment's name
    Path dir = tmp.resolve("s"), file = Fixture.segment(dir, 0);
    Producer.create(dir, Fixture.options(World.REAL));
    Files.move(file, tmp.resolve("real"));
    Files.createSymbolicLink(file, tmp.resolve("real"));
    Fixture.fails(PuroException.Kind.REFUSED, () -> Reader.open(dir));
    assertThrows(SmallestReader.Told.class, () -> new SmallestReader(dir));
    assertEquals("unreadable", Verify.run(dir, true).verdict());
    Files.delete(file);
    assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
    Fixture.fails(PuroException.Kind.REFUSED, () -> Producer.open(dir, Fixture.options(World.REAL)));
    assertThrows(SmallestReader.Told.class, () -> new SmallestReader(dir));
  }

  @Test void strays() throws Exception { // F-9
    Path dir = tmp.resolve("s"), other = tmp.resolve("o");
    try (Producer p = Producer.open(dir, Fixture.small(World.REAL))) {
      for (int i = 0; i < 40; i++) p.append(Fixture.recs("v" + i + "x".repeat(300)));
    }
    Producer.create(other, Fixture.options(World.REAL));
    Files.copy(Fixture.segment(other, 0), Fixture.segment(dir, 90)); // most say what the stream is
    assertEquals(40, Fixture.all(dir).size());
    try (Producer p = Producer.open(dir, Fixture.options(World.REAL))) {
      p.append(Fixture.recs("more"));
    }
    try (SmallestReader r = new SmallestReader(dir)) {
      for (int i = 0; i < 41; i++) assertNotNull(r.next());
    }
    assertEquals("sound", Verify.run(dir, true).verdict());
    Files.copy(Fixture.segment(dir, 0), Fixture.segment(other, 1)); // its sequence is another: it says nothing
    assertEquals(0, Fixture.all(other).size());
    Producer.create(tmp.resolve("u"), Fixture.options(World.REAL));
    Path two = tmp.resolve("two");
    Files.createDirectory(two);
    Files.copy(Fixture.segment(other, 0), Fixture.segment(two, 0));
    Files.copy(Fixture.segment(dir, 1), Fixture.segment(two, 1)); // one against one
    Fixture.fails(PuroException.Kind.DRAW, () -> Reader.open(two));
    assertThrows(SmallestReader.Told.class, () -> new SmallestReader(two));
  }
}
