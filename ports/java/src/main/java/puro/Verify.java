package puro;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Verification (protocol.md, chapter 11). It changes nothing, and makes no file (K-1). */
public final class Verify {
  public enum Weight { DAMAGE, UNREADABLE, REPAIRABLE, NOTE }

  /** K-2. Place and offset are -1 where they are not known. */
  public record Finding(Weight weight, String file, long place, long offset, String what) {
    @Override public String toString() {
      return file + (place < 0 ? "" : " at " + place) + (offset < 0 ? "" : " (offset " + offset + ")")
          + ": " + weight.name().toLowerCase() + ": " + what;
    }
  }

  public final List<Finding> findings = new ArrayList<>();
  public String streamId;
  public long segments, bytes, blocks, records;
  private final boolean wantsDeep;
  private Deep deep; // of the segment that is looked at; null where it was not asked for
  private final World world;
  private Dir dir;
  private byte[] id;
  private Memory before; // of the segment before, where that was sound (K-7)

  private Verify(boolean deep, World world) {
    this.wantsDeep = deep;
    this.world = world;
  }

  public static Verify run(Path path, boolean deep) {
    return run(path, deep, World.REAL);
  }

  public static Verify run(Path path, boolean deep, World world) {
    Verify v = new Verify(deep, world);
    Calm.run(() -> {
      v.dir = Dir.open(path, true);
      if (v.dir == null) throw new PuroException(PuroException.Kind.NO_STREAM, path + " is not there");
      try {
        v.all();
      } finally {
        v.dir.close();
      }
      return null;
    });
    return v;
  }

  /** The verdict (K-2), and with it the exit code. */
  public String verdict() {
    return has(Weight.DAMAGE) ? "damaged" : has(Weight.UNREADABLE) ? "unreadable" : has(Weight.REPAIRABLE) ? "repairable" : "sound";
  }

  public int exit() {
    return has(Weight.DAMAGE) ? 2 : has(Weight.UNREADABLE) ? 74 : has(Weight.REPAIRABLE) ? 1 : 0;
  }

  private boolean has(Weight w) {
    return findings.stream().anyMatch(f -> f.weight == w);
  }

  private void tell(Weight w, String file, long place, long offset, String what) {
    Finding f = new Finding(w, file, place, offset, what);
    if (!findings.contains(f)) findings.add(f); // a second look may tell it again
  }

  private void all() throws IOException { // K-4: the order
    for (String name : dir.list()) { // K-5
      if (!Names.known(name)) tell(Weight.NOTE, name, -1, -1, "a name that has no place in a stream");
      else if (Names.temporary(name)) tell(Weight.NOTE, name, -1, -1, "a temporary file");
    }
    Listing l = Listing.of(dir);
    if (l.numbers.isEmpty()) throw new PuroException(PuroException.Kind.NO_STREAM, dir.shown + " is no stream"); // K-3
    List<Long> readable = new ArrayList<>();
    for (long n : l.numbers) {
      Descriptors.Stat s = dir.stat(Names.segment(n));
      if (s == null || s.regular()) readable.add(n);
      else tell(Weight.UNREADABLE, Names.segment(n), -1, -1, "no regular file"); // F-8, R-15
    }
    boolean odd = readable.size() < l.numbers.size();
    l.numbers.retainAll(readable);
    if (l.numbers.isEmpty()) return;
    try {
      id = l.streamId(); // K-6
    } catch (PuroException e) {
      if (e.kind != PuroException.Kind.DAMAGED) throw e;
      for (long n : readable) tell(Weight.DAMAGE, Names.segment(n), 0, -1, "no valid header"); // F-9: damage, never stray
      segments = readable.size();
      return;
    }
    streamId = Bytes.hex(id);
    long highest = -1;
    for (long n : readable) {
      if (l.stray(n, id)) tell(Weight.NOTE, Names.segment(n), -1, -1, "a stray: of another stream, or not in its place");
      else highest = n;
    }
    for (long n = l.numbers.first(), expected = -1; n <= highest; n++) {
      if (!l.numbers.contains(n) || l.stray(n, id)) continue;
      if (expected >= 0 && n != expected && !odd) {
        tell(Weight.DAMAGE, Names.segment(expected), -1, before == null ? -1 : before.nextOffset, "it is missing"); // K-5
        before = null;
      }
      expected = n + 1;
      one(n, n == highest);
    }
  }

  private void one(long n, boolean last) throws IOException {
    String name = Names.segment(n);
    OpenFile f = dir.open(name, false);
    if (f == null) return; // deleted meanwhile, from the lowest up (K-4)
    Segment s;
    try {
      s = Segment.of(dir, n, f, false, id); // K-7, F-12
    } catch (PuroException e) {
      if (e.kind != PuroException.Kind.DAMAGED) throw e; // K-3: newer
      tell(Weight.DAMAGE, name, 0, before == null ? -1 : before.nextOffset, e.getMessage());
      before = null;
      segments++;
      return;
    }
    s.file.lock(true, System.nanoTime() + Limits.LOCK_MS * 1_000_000, name); // K-1, R-2
    try {
      segments++;
      if (before != null && (s.header.baseOffset() != before.nextOffset || s.header.epoch() != before.state.newestEpoch())) {
        tell(Weight.DAMAGE, name, 32, before.nextOffset, "the header does not continue the segment before"); // F-49
      }
      boolean active = last && Listing.later(dir, n, id) < 0;
      int found = findings.size();
      Memory m = blocks(s);
      bytes += active ? m.position : s.file.size();
      if (deep != null && !active) deep.endCheckpoint();
      if (active) m = end(s, m);
      else if (!m.sealed) hole(s, m); // K-11
      else if (!s.zerosBehind(m.position)) tell(Weight.DAMAGE, name, m.position, m.nextOffset, "bytes behind the segment end");
      before = findings.size() == found ? m : null;
      if (last && !active) one(Listing.later(dir, n, id), true); // K-4: what was added meanwhile
    } finally {
      s.file.unlock();
      s.close();
    }
  }

  /** K-8 to K-10: all committed blocks. */
  private Memory blocks(Segment s) throws IOException {
    Memory m = new Memory(s);
    if (before != null) m.maxTimestamp = before.maxTimestamp;
    deep = wantsDeep ? new Deep(s) : null;
    more(s, m);
    return m;
  }

  private void more(Segment s, Memory m) throws IOException {
    long maxSeen = m.maxTimestamp;
    boolean timesKnown = before != null || s.number == 0 || m.blocks > 0;
    while (!m.sealed) {
      s.afresh();
      Block.Look l = m.look();
      if (l.state() != Block.State.COMMITTED) return;
      Block b = l.block();
      boolean opening = m.position == m.openingEnd && b.kind() == Block.CHECKPOINT;
      if (b.kind() == Block.RECORDS && Long.compareUnsigned(b.timestamp(), maxSeen) > 0) maxSeen = b.timestamp();
      if (b.kind() != Block.RECORDS && !timesKnown && opening) maxSeen = b.timestamp();
      fields(s, m, b, opening, maxSeen);
      try {
        List<Block.Placed> all = deep != null || b.hasControl() ? b.records(deep == null || s.compacted()) : List.of();
        if (deep != null) {
          deep.block(m, b, opening, all);
          for (Block.Placed p : all) if (!p.rec().control()) records++;
        } else {
          records += b.recordCount();
        }
        m.absorb(b);
        if (!m.state.epochs().isEmpty() && b.epoch() != m.state.newestEpoch()) { // E-5
          tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "a wrong epoch");
        }
      } catch (PuroException e) {
        tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), e.getMessage());
        return;
      }
      blocks++;
    }
  }

  private void fields(Segment s, Memory m, Block b, boolean opening, long max) throws IOException { // K-9
    if (m.blocks == 0 && b.kind() != Block.CHECKPOINT) {
      tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "the first block is no checkpoint"); // F-25
    }
    if (b.kind() != Block.RECORDS && b.timestamp() != max) {
      tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "a wrong timestamp"); // F-22
    }
    if (opening && b.epoch() != s.header.epoch()) {
      tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "an epoch that is not the header's");
    }
    long limit = b.position;
    if (opening) { // F-23, F-38
      long end = b.end();
      for (Block.Look l = next(s, b); l.state().compareTo(Block.State.VALID) >= 0 && l.block().kind() == Block.CHECKPOINT; l = next(s, l.block())) {
        end = l.block().end();
      }
      limit = s.compacted() ? length(s, b) : end;
    }
    boolean right = opening ? b.durableTo() == limit : Long.compareUnsigned(b.durableTo(), limit) <= 0;
    if (!right) tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "a wrong durable_to");
  }

  /** The length of a compacted segment; zeros behind its end do not count (F-56). */
  private static long length(Segment s, Block b) throws IOException {
    long said = b.durableTo(), size = s.file.size();
    return said > 0 && said < size && s.zerosBehind(said) ? said : size;
  }

  private Block.Look next(Segment s, Block b) throws IOException {
    return Block.look(s, b.end(), s.header.crc(), b.crc(), b.nextOffset(), s.compacted());
  }

  /** K-14, of one segment: checkpoints and indexes. */
  private final class Deep {
    private final Segment s;
    private java.util.TreeMap<State.Key, byte[]> state; // what the checkpoint must hold; null: it is not known
    private java.util.TreeMap<State.Key, byte[]> said; // by the blocks of the checkpoint; null: none is open
    private boolean twice;
    private Block first;
    private long from; // the end of the checkpoint before (F-42)
    private final java.util.TreeMap<byte[], List<Long>> topics = new java.util.TreeMap<>(Arrays::compareUnsigned); // since then

    Deep(Segment s) {
      this.s = s;
    }

    void block(Memory m, Block b, boolean opening, List<Block.Placed> all) {
      boolean checkpoint = b.kind() == Block.CHECKPOINT;
      if (!checkpoint) endCheckpoint();
      if (checkpoint && said == null) {
        first = b;
        said = new java.util.TreeMap<>(State.ORDER);
        twice = false;
        state = !opening ? new java.util.TreeMap<>(m.state.entries) : before == null ? null : before.state.entries; // F-37
      }
      if (checkpoint) entries(all);
      Rec last = all.isEmpty() ? null : all.get(all.size() - 1).rec();
      boolean index = (checkpoint && !opening || b.kind() == Block.SEGMENT_END) && last != null && last.key() == null && last.isKind("topics");
      if (index && !names(b, last.value())) tell(Weight.DAMAGE, s.name(), b.position, b.firstOffset(), "a wrong index of topics");
      if (checkpoint) {
        from = b.end();
        topics.clear();
      }
      for (Block.Placed p : all) {
        if (p.rec().control()) continue;
        List<Long> at = topics.computeIfAbsent(p.rec().topic(), t -> new ArrayList<>());
        if (at.isEmpty() || at.get(at.size() - 1) != b.position) at.add(b.position);
      }
    }

    private void entries(List<Block.Placed> all) {
      for (Block.Placed p : all) {
        Rec r = p.rec();
        if (r.key() == null) continue;
        State.Key k = new State.Key(r.topic(), r.key());
        if (r.value() == null || !said.isEmpty() && State.ORDER.compare(said.lastKey(), k) >= 0) twice = true;
        said.put(k, r.value());
      }
    }

    /** All its blocks together hold each entry of the state once, in order. */
    void endCheckpoint() {
      if (said == null) return;
      boolean right = !twice && (state == null || said.size() == state.size()
          && said.entrySet().stream().allMatch(e -> Arrays.equals(e.getValue(), state.get(e.getKey()))));
      if (!right) tell(Weight.DAMAGE, s.name(), first.position, first.firstOffset(), "a checkpoint that is not the state, each entry once and in order");
      said = null;
    }

    /** F-42: all topics and blocks since the checkpoint before, and nothing else; or no topic at all. */
    private boolean names(Block b, byte[] value) {
      if (value.length < 8 || Bytes.u64(value, 0) != from) return false;
      if (value.length == 8) return true;
      Bytes.Out must = new Bytes.Out().fixed(8, from);
      for (var e : topics.entrySet()) {
        must.sized(e.getKey()).varint(e.getValue().size());
        long before = from;
        for (long at : e.getValue()) {
          must.varint((at - before) / Limits.UNIT);
          before = at;
        }
      }
      return Arrays.equals(must.done(), value);
    }
  }

  /** K-11: damage in a sealed segment; what is behind it is counted, and not judged. */
  private void hole(Segment s, Memory m) throws IOException {
    tell(Weight.DAMAGE, s.name(), m.position, m.nextOffset, "no committed block where one must be");
    long size = s.file.size();
    for (long at = m.position + Limits.UNIT; at + Limits.START <= size; ) {
      Block.Look l = Block.look(s, at, s.header.crc(), null, 0, true);
      boolean valid = l.state() == Block.State.VALID;
      if (valid) blocks++;
      at = valid ? l.block().end() : at + Limits.UNIT;
    }
  }

  /** K-12, K-13: the end of the active segment, with a second look. */
  private Memory end(Segment s, Memory m) throws IOException {
    if (has(Weight.DAMAGE) && m.look().state() == Block.State.COMMITTED) return m; // a block's records are wrong: told
    Tail t = Tail.classify(m, world.bootId());
    for (int i = 0; i < 10 && t.row != Tail.Row.CLEAN; i++) {
      long was = m.position;
      pause();
      more(s, m);
      t = Tail.classify(m, world.bootId());
      if (m.position == was && i > 0) break;
    }
    if (deep != null) deep.endCheckpoint();
    switch (t.row) {
      case CLEAN -> { }
      case UNREADABLE -> tell(Weight.UNREADABLE, s.name(), t.from, m.nextOffset, t.why); // K-12
      case DAMAGED -> tell(Weight.DAMAGE, s.name(), t.from, m.nextOffset, t.why);
      default -> tell(Weight.REPAIRABLE, s.name(), t.from, m.nextOffset, (t.to - t.from) + " bytes: " + t.why);
    }
    if (m.sealed && Listing.later(dir, s.number, id) < 0) {
      pause();
      if (Listing.later(dir, s.number, id) >= 0) {
        before = m;
        one(s.number + 1, true);
      } else if (dir.stat(Names.segment(s.number + 1)) != null) {
        tell(Weight.DAMAGE, s.name(), m.position, m.nextOffset, "a stray has the name of the next segment"); // K-13
      } else {
        tell(Weight.REPAIRABLE, s.name(), m.position, m.nextOffset, "sealed, and the next segment is not made"); // K-13
      }
    }
    return m;
  }

  private static void pause() {
    java.util.concurrent.locks.LockSupport.parkNanos(Limits.POLL_MS * 1_000_000);
  }
}
