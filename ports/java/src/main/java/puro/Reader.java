package puro;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;

/** A consumer (protocol.md, chapter 8): pins, reads, hops, seeks, waits. Not for several threads at once. */
public final class Reader implements AutoCloseable {
  /** A record as it is delivered (F-29). */
  public record Message(long offset, long timestamp, Rec rec, Token next) {
    public String topic() { return Bytes.text(rec.topic()); }
    public String value() { return rec.value() == null ? null : Bytes.text(rec.value()); }
    public String key() { return rec.key() == null ? null : Bytes.text(rec.key()); }
  }

  final Dir dir;
  final byte[] streamId;
  private final World world;
  Segment segment; // pinned
  long position;
  private int prevCrc;
  private byte[] eight; // before the position
  private long next; // the next offset to deliver
  private long epoch; // of the block before, or of the header (E-7)
  private long blockNext; // where the next block has to continue; next may be within a block
  private final ArrayDeque<Message> ready = new ArrayDeque<>(); // of the current block
  private PuroException fate; // an answer that no later look can take back
  private long nothingAt = -1; // no block was there at the last look
  private final Watch watch = new Watch(this);
  // the last block that took offsets ends here, with this crc
  long marked;
  int markedCrc;

  private Reader(Dir dir, byte[] streamId, World world) {
    this.dir = dir;
    this.streamId = streamId;
    this.world = world;
  }

  /** Opens at the beginning, the lowest offset there is. */
  public static Reader open(Path path) {
    return open(path, false, World.REAL);
  }

  public static Reader open(Path path, boolean allowNetwork, World world) {
    return Calm.run(() -> {
      Dir dir = Dir.open(path, allowNetwork);
      if (dir == null) throw new PuroException(PuroException.Kind.NO_STREAM, path + " is not there");
      try {
        Listing l = Listing.of(dir);
        byte[] id = l.streamId();
        Reader r = new Reader(dir, id, world);
        l.active(id); // F-50: whoever must open a newer file refuses
        r.seekLowest();
        return r;
      } catch (Throwable e) {
        dir.close();
        throw e;
      }
    });
  }

  public String streamId() {
    return Bytes.hex(streamId);
  }

  /** The place behind what was delivered (E-7). */
  public Token token() {
    return new Token(streamId(), epoch, next);
  }

  public long nextOffset() {
    return next;
  }

  // ---- seeking

  public void seekLowest() {
    Calm.run(() -> {
      seek(0, true);
      return null;
    });
  }

  public void seekOffset(long offset) {
    Calm.run(() -> {
      seek(offset, false);
      return null;
    });
  }

  /** Of a token E-7 is asked first (R-9, E-8). */
  public void seek(Token token) {
    Calm.run(() -> {
      Memory m = history();
      try {
        token.check(streamId(), m.state, m.nextOffset);
      } finally {
        m.segment.close();
      }
      seek(token.offset(), false);
      return null;
    });
  }

  /** Behind the last record. */
  public void seekEnd() {
    Calm.run(() -> {
      Memory m = history();
      long end = m.nextOffset;
      m.segment.close();
      seek(end, false);
      return null;
    });
  }

  /** The stream's history, read anew (O-3). The caller closes its segment. */
  Memory history() throws IOException {
    for (int i = 0; i < Limits.START_OVER; i++) {
      Listing l = Listing.of(dir);
      Segment s = Segment.open(dir, l.active(streamId), false, streamId);
      if (s != null) return Memory.scan(s);
    }
    throw PuroException.refused("the segments of " + dir.shown + " change all the time");
  }

  /** in the segment with the highest base_offset at or below it. Offsets are unsigned. */
  private void seek(long offset, boolean lowest) throws IOException {
    for (int i = 0; i < Limits.START_OVER; i++) { // where the name is gone, list and seek anew
      Listing l = Listing.of(dir);
      long in = -1;
      for (long n : l.numbers) {
        byte[] head = l.head(n);
        if (head == null || l.stray(n, streamId)) continue;
        if (Header.judge(head, false) != Header.Verdict.FINE) {
          if (in < 0 && lowest) throw PuroException.damage("the header of " + Names.segment(n) + " is damaged");
          continue; // told by whoever gets there
        }
        if (lowest) {
          in = n;
          break;
        }
        if (Long.compareUnsigned(Header.parse(head).baseOffset(), offset) <= 0) in = n;
        else if (in < 0) throw outOfRange(offset + " is below the lowest offset " + Header.parse(head).baseOffset());
      }
      if (in < 0) throw new PuroException(PuroException.Kind.NO_STREAM, dir.shown + " is no stream");
      Segment s = pin(in);
      if (s == null) continue;
      release();
      fate = null;
      enter(s);
      epoch = s.header.epoch(); // at the beginning of a segment (E-7)
      if (!lowest) walkTo(offset);
      return;
    }
    throw PuroException.refused("the segments of " + dir.shown + " change all the time");
  }

  /** R-10, F-22: the first records block at which the running maximum is at least this time; or the end. */
  public void seekTime(long time) {
    Calm.run(() -> {
      for (int i = 0; i < Limits.START_OVER; i++) {
        Listing l = Listing.of(dir);
        long in = -1;
        for (long n : l.numbers) {
          if (l.stray(n, streamId)) continue;
          if (in >= 0 && !beginsBefore(n, time)) break; // timestamps of checkpoints never go back
          in = n;
        }
        Segment s = in < 0 ? null : pin(in);
        if (s == null) continue;
        release();
        fate = null;
        enter(s);
        epoch = s.header.epoch();
        walkToTime(time);
        return null;
      }
      throw PuroException.refused("the segments of " + dir.shown + " change all the time");
    });
  }

  private boolean beginsBefore(long n, long time) throws IOException {
    Segment s = Segment.open(dir, n, false, streamId);
    if (s == null) return false;
    try {
      Block.Look first = Block.look(s, Limits.HEADER, s.header.crc(), s.header.crc(), s.header.baseOffset(), s.compacted());
      return first.state() == Block.State.COMMITTED && Long.compareUnsigned(first.block().timestamp(), time) < 0;
    } finally {
      s.close();
    }
  }

  private void walkToTime(long time) throws IOException {
    long now = world.now();
    boolean doubt = Long.compareUnsigned(time, now) <= 0; // then timestamps beyond the own clock are not believed
    boolean reached = false, waiting = false;
    long waitingFrom = 0; // the first block of which the time is not known yet
    while (true) {
      Block b = committed();
      if (b == null || b.kind() == Block.SEGMENT_END && !hop(b)) break;
      if (b.kind() == Block.SEGMENT_END) {
        reached = false; // the maximum is of the blocks of one segment
        continue;
      }
      boolean ahead = doubt && Long.compareUnsigned(b.timestamp(), now) > 0;
      if (!ahead) reached |= Long.compareUnsigned(b.timestamp(), time) >= 0;
      if (b.kind() == Block.RECORDS) {
        if (reached && !waiting) return;
        if (reached) break; // those that wait count as written then
        if (ahead && !waiting) waitingFrom = b.firstOffset();
        waiting = ahead;
      }
      take(b, b.nextOffset());
    }
    if (waiting) seek(waitingFrom, false); // where none follows, it counts as it stands
  }

  private void walkTo(long offset) throws IOException {
    while (Long.compareUnsigned(next, offset) < 0) {
      Block b = committed();
      if (b == null || b.kind() == Block.SEGMENT_END && !hop(b)) throw outOfRange(offset + " is above the next offset " + next);
      if (b.kind() == Block.SEGMENT_END) continue;
      boolean within = Long.compareUnsigned(b.nextOffset(), offset) > 0;
      long first = within ? offset : b.nextOffset();
      take(b, first);
    }
  }

  private static PuroException outOfRange(String why) {
    return new PuroException(PuroException.Kind.OUT_OF_RANGE, "offset out of range: " + why);
  }

  // ---- pinning and hopping

  /** open, lock shared, see that the name still leads there; else start over. Null: the name is gone. */
  private Segment pin(long number) throws IOException {
    for (int i = 0; i < Limits.START_OVER; i++) {
      Segment s = Segment.open(dir, number, false, streamId); // F-54, V-8: another stream is damage
      if (s == null) return null;
      try {
        s.file.lock(true, System.nanoTime() + Limits.LOCK_MS * 1_000_000, s.name()); // L-6, L-7
        if (s.nameLeadsHere()) return s;
        s.file.unlock();
      } catch (Throwable e) {
        s.close();
        throw e;
      }
      s.close();
    }
    throw PuroException.refused(Names.segment(number) + " is replaced all the time");
  }

  private void release() throws IOException {
    if (segment == null) return;
    segment.file.unlock();
    segment.close();
    segment = null;
  }

  private void enter(Segment s) throws IOException {
    segment = s;
    position = Limits.HEADER;
    prevCrc = s.header.crc();
    next = blockNext = s.header.baseOffset();
    eight = s.eight(position);
    ready.clear();
    nothingAt = -1;
    marked = position; // where it has read no block with offsets yet, the end of the header
    markedCrc = prevCrc;
  }

  /** V-8. False: the next one is not made yet. */
  private boolean hop(Block end) throws IOException {
    long n = segment.number + 1;
    Segment s = n > Limits.LAST_SEQUENCE ? null : pin(n); // while the old one is held
    if (s == null) {
      if (Listing.later(dir, segment.number, streamId) < 0) {
        if (!segment.nameLeadsHere()) throw lasts(new PuroException(PuroException.Kind.REMOVED, "the segment was taken away"));
        return false; // V-6 is for a writer
      }
      s = pin(n); // it may have come meanwhile
      if (s == null) {
        if (segment.nameLeadsHere()) throw PuroException.damage(Names.segment(n) + " is missing"); // V-9
        throw lasts(outOfRange("it was deleted before it was read"));
      }
    }
    try {
      if (s.header.baseOffset() != end.firstOffset() || s.header.epoch() != end.epoch()) { // F-49
        throw PuroException.damage(s.name() + " does not continue the segment before");
      }
      if (!segment.nameLeadsHere()) throw lasts(outOfRange("it was deleted before it was read")); // V-8
    } catch (Throwable e) {
      s.file.unlock();
      s.close();
      throw e;
    }
    release();
    enter(s);
    epoch = s.header.epoch();
    return true;
  }

  private PuroException lasts(PuroException e) {
    fate = e;
    return e;
  }

  // ---- reading

  /** The committed block at the position, or null: nothing yet. In a sealed segment that is damage. */
  private Block committed() throws IOException {
    // where nothing was at the last look, it does not read all the zeros again
    boolean nothing = position == nothingAt && Bytes.zeros(segment.file.read(position, Limits.START));
    Block.Look l = nothing ? null : look();
    if (l != null && l.state() != Block.State.COMMITTED) {
      segment.afresh(); // read afresh all of it
      l = look();
    }
    if (l == null || l.state() != Block.State.COMMITTED) {
      nothingAt = position;
      if (Listing.later(dir, segment.number, streamId) < 0) return null;
      segment.afresh(); // the successor exists; read once more, then decide
      l = look();
      if (l.state() != Block.State.COMMITTED) {
        if (!pastStands()) watch.pastChanged(); // perhaps it is diverged
        throw PuroException.damage(segment.name() + " is damaged at " + position + " (" + l.state().name().toLowerCase() + ")");
      }
    }
    return l.block();
  }

  Block.Look look() throws IOException {
    return Block.look(segment, position, segment.header.crc(), prevCrc, blockNext, segment.compacted());
  }

  /** Goes behind a block; its records from this offset on become ready. */
  private void take(Block b, long from) {
    List<Block.Placed> all = b.kind() == Block.RECORDS ? b.records(true) : List.of(); // or damage
    for (Block.Placed p : all) {
      if (p.rec().control() || Long.compareUnsigned(p.offset(), from) < 0) continue; // F-31
      Token t = new Token(streamId(), b.epoch(), p.offset() + 1);
      ready.add(new Message(p.offset(), b.timestamp(), p.rec(), t));
    }
    position = b.end();
    prevCrc = b.crc();
    eight = Arrays.copyOfRange(b.bytes, b.bytes.length - 8, b.bytes.length);
    blockNext = b.nextOffset();
    epoch = b.epoch();
    if (b.recordCount() > 0) {
      marked = position;
      markedCrc = prevCrc;
    }
    next = ready.isEmpty() ? blockNext : ready.peek().offset(); // gaps are passed over (F-39)
  }

  /** The next record, or null: nothing yet. Does not wait. */
  public Message poll() {
    return Calm.run(() -> {
      if (fate != null) throw fate;
      while (ready.isEmpty()) {
        Block b = committed();
        if (b == null) return null;
        if (b.kind() != Block.SEGMENT_END) take(b, next);
        else if (!hop(b)) return null;
      }
      Message m = ready.poll();
      next = ready.isEmpty() ? blockNext : m.offset() + 1;
      return m;
    });
  }

  /** The next record; waits so long for it, and looks around meanwhile. Null: none came. */
  public Message await(long millis) throws InterruptedException {
    long until = System.nanoTime() + millis * 1_000_000;
    while (true) {
      Message m = poll();
      if (m != null || System.nanoTime() > until) return m;
      lookAround();
      Thread.sleep(10); // a poll, where nothing notifies
    }
  }

  /** R-11, at most once in a poll interval. Throws where the past has changed. */
  public void lookAround() {
    Calm.run(() -> {
      if (fate != null) throw fate;
      watch.lookAround();
      return null;
    });
  }

  /** what stands at the end, for the second look, a poll interval after the first. Null: nothing to tell. */
  public Tail endProblem() {
    return Calm.run(() -> watch.endProblem(world.bootId()));
  }

  /** Is there nothing but committed blocks, and nothing behind them? */
  public boolean endIsClean() {
    return Calm.run(watch::endIsClean);
  }

  boolean pastStands() throws IOException { // the eight bytes before the position
    return Arrays.equals(eight, segment.eight(position));
  }

  boolean markStands() throws IOException {
    byte[] b = segment.file.read(marked - 4, 4);
    return b.length == 4 && Bytes.i32(b, 0) == markedCrc;
  }

  void gone(PuroException.Kind kind, String why) {
    throw lasts(new PuroException(kind, why));
  }

  void seekAnew() throws IOException {
    seek(next, false);
  }

  @Override public void close() {
    Calm.run(() -> {
      release();
      dir.close();
      return null;
    });
  }
}
