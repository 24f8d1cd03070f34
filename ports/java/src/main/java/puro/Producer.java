package puro;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Appends blocks beside others, makes a stream if it is missing, and repairs what a dead writer left. */
public final class Producer implements AutoCloseable {
  public static final class Options {
    public World world = World.REAL;
    public long waitMs = Limits.LOCK_MS; // L-8
    public boolean allowNetwork; // M-1
    public boolean create = true;
    public Boolean durable; // null: as the setting `durable` says (F-34)
    public Map<String, String> settings = Map.of(); // for a stream that is made
  }

  /** Where records were appended. `again`: a retry that had been appended before (C-4). */
  public record Appended(long firstOffset, long count, boolean again, Token next) {}

  /** Something that must hold under the lock, after A-5; it throws if not, or answers at once. */
  interface Condition {
    Appended check(Memory m) throws IOException;
  }

  private final Options options;
  private final Writer writer;

  private Producer(Options options, Writer writer) {
    this.options = options;
    this.writer = writer;
  }

  public static boolean create(Path path, Options o) {
    return Calm.run(() -> Creation.create(path, o, o.settings));
  }

  public static Producer open(Path path, Options o) {
    return Calm.run(() -> {
      for (int i = 0; ; i++) {
        Dir dir = Dir.open(path, o.allowNetwork);
        try {
          if (dir == null) throw new PuroException(PuroException.Kind.NO_STREAM, path + " is not there");
          return new Producer(o, Writer.open(dir, o.world));
        } catch (PuroException e) {
          if (dir != null) dir.close();
          if (e.kind != PuroException.Kind.NO_STREAM || !o.create || i > 10) throw e;
          Creation.create(path, o, o.settings);
        }
      }
    });
  }

  public String streamId() {
    return Bytes.hex(writer.streamId);
  }

  /** One block, one transaction. */
  public Appended append(List<Rec> records) {
    return append(records, options.durable);
  }

  public Appended append(List<Rec> records, Boolean durable) {
    return transaction(records, List.of(), durable, null);
  }

  /** Only if nobody was faster. */
  public Appended appendIf(Token expected, List<Rec> records) {
    return append(records, options.durable, expected, null, 0);
  }

  /** Each sequence of this identity once (C-4). */
  public Appended appendOnce(String identity, long sequence, List<Rec> records) {
    return append(records, options.durable, null, identity, sequence);
  }

  /** All of these at once: only at this end, and each sequence of an identity once (C-4), which is asked first. */
  Appended append(List<Rec> records, Boolean durable, Token expected, String identity, long sequence) {
    if (identity != null) Names.checkName(identity);
    Appended done = Calm.run(() -> locked(durable, () -> {
      Memory m = writer.memory;
      Appended before = identity == null ? null : before(m, identity, sequence, records.size());
      if (before != null) return before;
      if (expected != null) {
        expected.check(streamId(), m.state, m.nextOffset); // E-7 first: diverged is the answer then
        if (m.nextOffset != expected.offset()) {
          throw new PuroException(PuroException.Kind.CONFLICT, "others have appended: the next offset is " + m.nextOffset);
        }
      }
      return put(records, () -> identity == null ? List.of() : List.of(sequenceEntry(identity, sequence, records.size())));
    }));
    if (done.again() && !stillTheSame(done, records)) throw otherBatch("other records");
    return done;
  }

  /** C-4: what the entry says of this sequence; null: it is a new one. */
  private Appended before(Memory m, String identity, long sequence, int count) {
    byte[] e = m.state.get("producer", Bytes.ascii(identity));
    if (e == null || e.length != 32) return null;
    int order = Long.compareUnsigned(Bytes.u64(e, 0), sequence);
    if (order < 0) return null;
    if (order > 0) throw new PuroException(PuroException.Kind.OLD_SEQUENCE, "a later sequence was appended already");
    if (Bytes.u32(e, 16) != count) throw otherBatch("another number of records");
    long first = Bytes.u64(e, 8);
    return new Appended(first, count, true, new Token(streamId(), Bytes.u32(e, 20), first + count));
  }

  private Rec sequenceEntry(String identity, long sequence, int count) { // F-36: the fields of where it will stand
    byte[] v = new byte[32];
    Bytes.put(v, 0, 8, sequence);
    Bytes.put(v, 8, 8, writer.memory.nextOffset);
    Bytes.put(v, 16, 4, count);
    Bytes.put(v, 20, 4, writer.memory.state.newestEpoch());
    Bytes.put(v, 24, 8, stateTime());
    return Rec.entry("producer", Bytes.ascii(identity), v);
  }

  private static PuroException otherBatch(String what) {
    return new PuroException(PuroException.Kind.OLD_SEQUENCE, "this sequence was appended with " + what);
  }

  /** C-4: do the records that are still there at the place of a retry say the same? It needs no lock. */
  private boolean stillTheSame(Appended at, List<Rec> records) {
    try (Reader r = Reader.open(writer.dir.shown, options.allowNetwork, options.world)) {
      if (!r.streamId().equals(streamId())) return true; // another one has the path by now
      r.seekOffset(at.firstOffset());
      Reader.Message m;
      while ((m = r.poll()) != null && m.offset() - at.firstOffset() < at.count()) {
        if (!m.rec().same(records.get((int) (m.offset() - at.firstOffset())))) return false;
      }
    } catch (PuroException e) {
      // they are not there any more, or cannot be read
    }
    return true;
  }

  /** Sets a setting, or, with null, removes it (C-6, F-53). */
  public void set(String name, String value) {
    if (value != null) Settings.check(name, value);
    transaction(List.of(), List.of(Rec.entry("setting", Bytes.ascii(name), value == null ? null : Bytes.ascii(value))), null, null);
  }

  Appended transaction(List<Rec> records, List<Rec> entries, Boolean durable, Condition condition) {
    return Calm.run(() -> locked(durable, () -> {
      Appended ready = condition == null ? null : condition.check(writer.memory); // after A-5
      return ready != null ? ready : put(records, () -> entries);
    }));
  }

  interface Work {
    Appended run() throws IOException;
  }

  interface Entries {
    List<Rec> make();
  }

  /** the work, A-10, and A-11. */
  private synchronized Appended locked(Boolean durable, Work work) throws IOException {
    Appended done;
    boolean sync;
    writer.lock(options.waitMs);
    try {
      writer.catchUp();
      done = work.run();
      sync = durable != null ? durable : writer.memory.state.durable(); // C-6
    } catch (IOException e) {
      throw new PuroException(PuroException.Kind.SYSTEM, "not appended", e);
    } finally {
      writer.unlock();
    }
    if (sync) durable();
    return done;
  }

  /** ready, perhaps roll, write and commit. Control records stand behind the records (C-3). */
  private Appended put(List<Rec> records, Entries entries) throws IOException {
    for (Rec r : records) if (r.control()) throw PuroException.usage("control records are not for users");
    Bytes.Out out = new Bytes.Out();
    for (Rec r : records) out.raw(r.encode()); // F-30
    writer.ready();
    List<Rec> more = entries.make();
    Bytes.Out all = new Bytes.Out().raw(out.done());
    for (Rec r : more) all.raw(r.encode());
    byte[] body = all.done();
    if (body.length == 0) throw PuroException.usage("nothing to append"); // F-16
    if (!writer.fits(body)) {
      Rollover.roll(writer); // A-7, V-1
      writer.ready();
    }
    Memory m = writer.memory;
    long first = m.nextOffset, epoch = m.state.newestEpoch();
    writer.put(Block.RECORDS, body, !more.isEmpty(), records.size(), options.world.now(), epoch); // E-5
    return new Appended(first, records.size(), false, new Token(streamId(), writer.memory.epoch, writer.memory.nextOffset));
  }

  /** sync after the lock was given back. If that fails, mend under the lock. */
  private void durable() {
    Memory m = writer.memory;
    long upTo = m.position;
    try {
      if (m.segment.file.syncFailed || !writer.unmended.isEmpty()) throw new IOException("a sync failed before");
      if (Long.compareUnsigned(m.known, upTo) >= 0) return; // all is known to be on disk
      m.segment.file.sync();
      m.synced(upTo);
    } catch (IOException failed) {
      try {
        writer.lock(options.waitMs);
        try {
          Mend.mend(writer, m.segment);
          Mend.rest(writer);
          m.synced(upTo);
        } finally {
          writer.unlock();
        }
      } catch (IOException | PuroException e) {
        throw new PuroException(PuroException.Kind.NOT_DURABLE, "appended, but not durable", e);
      }
    }
  }

  /** The time of entries `position` and `producer`: not before the active segment began (C-5). */
  long stateTime() {
    Memory m = writer.memory;
    long created = m.segment.header.created();
    long began = Long.compareUnsigned(created, m.openingTimestamp) < 0 ? created : m.openingTimestamp;
    long now = options.world.now();
    return Long.compareUnsigned(now, began) > 0 ? now : began;
  }

  /** Repairs the end without appending. Gives what was done. */
  public List<Repair.Report> repair() {
    return Calm.run(() -> {
      // O-9: where there is no lock file and the end is clean, no file is made
      Memory m = writer.memory;
      if (writer.dir.stat("writer.lock") == null && !m.sealed && m.blocks > 0
          && Tail.classify(m, options.world.bootId()).row == Tail.Row.CLEAN) {
        return List.of();
      }
      writer.lock(options.waitMs);
      try {
        writer.catchUp();
      } finally {
        writer.unlock();
      }
      return repairs();
    });
  }

  /** What this producer has repaired since it was opened. */
  public List<Repair.Report> repairs() {
    return new ArrayList<>(writer.repairs);
  }

  /** For tests and the named consumer: the memory as it is, without a lock. */
  Memory memory() {
    return writer.memory;
  }

  /** Looks under the lock, and appends nothing. */
  void look() {
    Calm.run(() -> {
      writer.lock(options.waitMs);
      try {
        writer.catchUp();
      } finally {
        writer.unlock();
      }
      return null;
    });
  }

  @Override public void close() {
    Calm.run(() -> {
      writer.close();
      writer.dir.close();
      return null;
    });
  }
}
