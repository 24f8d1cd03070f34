package puro;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A consumer that keeps its position in the stream (C-2, C-3, C-7 to C-9). */
public final class NamedConsumer implements AutoCloseable {
  public enum IfLost { FAIL, BEGINNING, END }

  private static final long PASS_MS = 10_000; // C-8

  private final String name;
  private final Dir dir;
  private final LockFile lock;
  private final Producer producer;
  private final Reader reader;
  private byte[] stored; // the entry as it was last read or written; null: none (C-2)
  private long committed = -1; // the offset of it
  private long lastCommit = System.nanoTime();
  private long passedOver;

  private NamedConsumer(String name, Dir dir, LockFile lock, Producer producer, Reader reader) {
    this.name = name;
    this.dir = dir;
    this.lock = lock;
    this.producer = producer;
    this.reader = reader;
  }

  public static NamedConsumer open(Path path, String name, IfLost ifLost, Producer.Options o) {
    Names.checkName(name); // F-11
    return Calm.run(() -> {
      Producer producer = Producer.open(path, o);
      Reader reader = null;
      Dir consumers = null;
      LockFile lock = null;
      try {
        reader = Reader.open(path, o.allowNetwork, o.world);
        if (!reader.streamId().equals(producer.streamId())) throw PuroException.refused("the stream was replaced");
        consumers = reader.dir.sub("consumers", true); // L-10
        lock = new LockFile(consumers, name + ".lock");
        lock.lock(0, reader.dir.stat(reader.segment.name())); // one owner of each name; at once, or told
        lock.writeHint(); // F-40
        NamedConsumer c = new NamedConsumer(name, consumers, lock, producer, reader);
        c.begin(ifLost);
        return c;
      } catch (Throwable e) {
        if (lock != null) lock.close();
        if (consumers != null) consumers.close();
        if (reader != null) reader.close();
        producer.close();
        throw e;
      }
    });
  }

  private void begin(IfLost ifLost) throws IOException {
    producer.look(); // what was looked at before the lock was had counts for nothing (L-4)
    stored = fitting(producer.memory().state.get("position", Bytes.ascii(name)));
    if (stored == null) return; // C-9: a name without a position begins at the lowest offset
    Token at = new Token(reader.streamId(), Bytes.u32(stored, 0), Bytes.u64(stored, 4));
    committed = at.offset();
    try {
      reader.seek(at); // E-7, R-9
    } catch (PuroException e) {
      if (e.kind != PuroException.Kind.OUT_OF_RANGE) throw e;
      if (ifLost == IfLost.FAIL) throw placeLost(e);
      if (ifLost == IfLost.END) reader.seekEnd();
      else reader.seekLowest();
      passedOver = reader.nextOffset() - at.offset();
      commit(); // C-9, C-7
    }
  }

  /** C-9: it is told. */
  static PuroException placeLost(PuroException e) {
    return new PuroException(PuroException.Kind.PLACE_LOST, "the place is lost: " + e.getMessage());
  }

  private static byte[] fitting(byte[] entry) { // C-2: what is no position counts as none
    return entry != null && entry.length == 20 ? entry : null;
  }

  /** Has the name a position, or does it begin at the lowest offset (C-9)? */
  public boolean isNew() {
    return committed < 0;
  }

  /** How many offsets were lost and passed over at the beginning (C-9). */
  public long passedOver() {
    return passedOver;
  }

  public Reader reader() {
    return reader;
  }

  public Reader.Message poll() {
    return reader.poll();
  }

  /** Commits the place behind what was delivered, where it is another than that committed last (C-8). */
  public void commit() {
    if (reader.nextOffset() == committed || reader.nextOffset() == 0 && committed < 0) return;
    commitWith(List.of());
  }

  /** C-8: now and then, also where nothing was delivered. */
  public void commitNowAndThen(long everyMs) {
    if (System.nanoTime() - lastCommit > Math.min(everyMs, PASS_MS) * 1_000_000) commit();
  }

  /** The place and the records made from what it covers: both or neither (C-3). */
  public Producer.Appended commitWith(List<Rec> records) {
    Token at = reader.token();
    byte[] value = new byte[20]; // F-36
    Bytes.put(value, 0, 4, at.epoch());
    Bytes.put(value, 4, 8, at.offset());
    Bytes.put(value, 12, 8, Calm.run(producer::stateTime)); // C-5
    Rec entry = Rec.entry("position", Bytes.ascii(name), value);
    Producer.Appended a;
    try {
      a = producer.transaction(records, List.of(entry), null, m -> {
        if (!lock.nameLeadsHere()) throw new PuroException(PuroException.Kind.CONFLICT, "the lock of " + name + " was taken away");
        byte[] now = fitting(m.state.get("position", Bytes.ascii(name)));
        if (!Arrays.equals(now, stored)) { // compare and set: the whole value
          throw new PuroException(PuroException.Kind.CONFLICT, "somebody else changed the position of " + name);
        }
        at.check(reader.streamId(), m.state, m.nextOffset); // C-2: not diverged
        return null;
      });
    } catch (PuroException e) {
      if (e.kind == PuroException.Kind.NOT_DURABLE) written(value, at); // C-2: counts as written
      throw e;
    }
    written(value, at);
    return a;
  }

  private void written(byte[] value, Token at) {
    stored = value;
    committed = at.offset();
    lastCommit = System.nanoTime();
  }

  @Override public void close() {
    Calm.run(() -> {
      producer.close();
      reader.close();
      lock.close();
      dir.close();
      return null;
    });
  }
}
