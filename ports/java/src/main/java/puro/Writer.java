package puro;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Whoever holds writer.lock (protocol.md, chapters 4 and 6). All methods but {@link #open} and lock() want the lock held. */
final class Writer {
  /** Tests make a write slow here, to be killed in it. */
  static volatile Runnable betweenPieces = () -> {};

  final Dir dir;
  final World world;
  final byte[] streamId;
  final LockFile lock;
  final List<Segment> unmended = new ArrayList<>(); // segments left behind whose sync failed
  final List<Repair.Report> repairs = new ArrayList<>();
  Memory memory;
  private boolean raisedSinceOpen; // E-2, where the boot id is unknown
  private boolean scanned; // under this lock already

  private Writer(Dir dir, World world, byte[] streamId, LockFile lock) {
    this.dir = dir;
    this.world = world;
    this.streamId = streamId;
    this.lock = lock;
  }

  /** O-3. The end counts only after the look under the lock (O-4). */
  static Writer open(Dir dir, World world) throws IOException {
    Listing l = Listing.of(dir);
    Writer w = new Writer(dir, world, l.streamId(), new LockFile(dir, "writer.lock"));
    w.openAnew(l);
    return w;
  }

  private void openAnew(Listing l) throws IOException {
    for (int i = 0; i < Limits.START_OVER; i++, l = Listing.of(dir)) {
      long active = l.active(streamId);
      Segment s = Segment.open(dir, active, true, streamId);
      if (s == null) continue; // gone meanwhile
      move(Memory.scan(s));
      return;
    }
    throw PuroException.refused("the segments of " + dir.shown + " change all the time");
  }

  void openAnew() throws IOException {
    openAnew(Listing.of(dir));
  }

  /** Goes on in another segment. One whose sync failed is still to be mended. */
  void move(Memory to) {
    if (memory != null) {
      if (memory.segment.file.syncFailed) unmended.add(memory.segment);
      else memory.segment.close();
    }
    memory = to;
  }

  /** A-1, and what each lock begins with. */
  void lock(long millis) throws IOException {
    lock.lock(millis, memory.segment.file.links(dir.at(memory.segment.name())) == 0 ? null : dir.stat(memory.segment.name()));
    dir.check(); // O-8
    scanned = false;
  }

  void unlock() {
    try {
      lock.release();
    } catch (IOException e) {
      throw new PuroException(PuroException.Kind.UNKNOWN, "the lock could not be given back", e);
    }
  }

  /** catch_up() of pseudocode.md: is the remembered end still the committed end? */
  void catchUp() throws IOException {
    for (int i = 0; i < 10 * Limits.START_OVER; i++) {
      Segment s = memory.segment;
      int links = s.links(); // link count, eight bytes; the length says nothing (F-56)
      if (!memory.fits()) { // A-2 step 1, A-4
        scanAgain(true);
      }
      if (memory.sealed || links == 0 || !clean()) {
        if (memory.stepOver() == Block.State.VALID && !scanned) { // before a refusal
          scanAgain(true); // valid, but does not continue the chain
        }
      }
      if (memory.sealed) {
        if (goOn()) continue;
        if (!s.nameLeadsHere()) throw removed();
        if (links > 1) refuseNames(links);
        if (!s.zerosBehind(memory.position) && repair()) continue; // A-5 comes before A-6
        if (memory.sealed) Rollover.finish(this); // A-6, V-6
        continue;
      }
      if (links == 0 || !s.nameLeadsHere()) throw removed(); // A-2 step 2; renamed, too
      if (links > 1) refuseNames(links); // A-2 step 3, A-19
      if (clean()) return;
      if (!repair()) return;
    }
    throw PuroException.refused("the end of " + dir.shown + " does not come to rest");
  }

  /**
   * A-2 step 5. All that is behind the end is read, at each look, and so before each append. So nothing more is to be
   * remembered for Z-6 and Z-7.
   */
  private boolean clean() throws IOException {
    return memory.blocks > 0 && Long.compareUnsigned(memory.knownForTable(), memory.position) <= 0
        && memory.segment.zerosBehind(memory.position);
  }

  private void scanAgain(boolean wrong) throws IOException {
    memory.scanAgain(wrong);
    scanned = true;
  }

  private static PuroException removed() {
    return new PuroException(PuroException.Kind.REMOVED, "the stream was removed");
  }

  /** behind a segment end. True: the memory is of another segment now. */
  private boolean goOn() throws IOException {
    Memory m = memory;
    String next = Names.segment(m.segment.number + 1);
    if (m.segment.number < Limits.LAST_SEQUENCE && dir.stat(next) != null) {
      Segment s = Segment.open(dir, m.segment.number + 1, true, streamId); // another stream's: damage (V-8)
      if (s == null) return true; // gone meanwhile: look again
      if (s.header.baseOffset() != m.nextOffset || s.header.epoch() != m.state.newestEpoch()) { // F-49
        s.close();
        throw PuroException.damage(next + " does not continue the segment before");
      }
      move(Memory.scan(s));
      return true;
    }
    if (Listing.later(dir, m.segment.number, streamId) < 0) return false;
    openAnew(); // A-3, V-11
    return true;
  }

  /** but for the segment's own temporary name, which a loss of power may have kept. */
  private void refuseNames(int links) throws IOException {
    String own = Names.made(memory.segment.number);
    if (links == 2 && memory.segment.file.is(dir.at(own))) {
      dir.remove(own);
      return;
    }
    throw PuroException.refused(memory.segment.name() + " has " + links + " names; make a real copy, and remove the other name");
  }

  /** True: the memory is of another segment now. */
  private boolean repair() throws IOException {
    if (Listing.later(dir, memory.segment.number, streamId) >= 0) { // step 1
      if (memory.segment.file.syncFailed) Mend.mend(this, memory.segment); // A-14 first
      openAnew();
      return true;
    }
    if (!scanned) scanAgain(false); // step 2
    Repair.atEnd(this); // step 3
    return false;
  }

  /** what must be before anything is appended here. */
  void ready() throws IOException {
    if (!memory.ours) { // V-7
      dir.sync();
      memory.ours = true;
    }
    byte[] boot = world.bootId();
    if (boot == null ? !raisedSinceOpen : !memory.state.ofBoot(boot)) raise(); // E-2
    if (!memory.epochOnDisk()) sync(); // E-4
  }

  void raise() throws IOException { // E-3
    long number = memory.state.newestEpoch() + 1;
    if (number > 0xFFFF_FFFFL) throw PuroException.usage("no epoch is left");
    Rec entry = State.epochEntry(number, memory.nextOffset, world.bootId(), world.now());
    put(Block.RECORDS, entry.encode(), true, 0, world.now(), number);
    sync();
    raisedSinceOpen = true;
  }

  /** Does a block with this body go into the active segment (V-1)? */
  boolean fits(byte[] body) {
    if (memory.position == memory.openingEnd) return true;
    int n = Block.lengthOf(Padding.fit(memory.segment.header.crc(), memory.position, body).length);
    return memory.position + n - memory.openingEnd <= memory.state.segmentBytes();
  }

  /** Write and commit. On an error before the commit what was written is cut. */
  void put(int kind, byte[] body, boolean control, long count, long timestamp, long epoch) throws IOException {
    Memory m = memory;
    byte[] padded = Padding.fit(m.segment.header.crc(), m.position, body); // F-43
    byte[] b = Block.encode(
        m.segment.header.crc(), m.position, kind, padded, control || padded != body, count, m.crc, m.nextOffset,
        timestamp, m.known, epoch, Block.LOW);
    long at = m.position;
    try {
      dir.check();
      for (int from = 0; from < b.length; from += 65_536) { // in any number of writes
        m.segment.file.write(at + from, b, from, Math.min(65_536, b.length - from));
        betweenPieces.run();
      }
    } catch (IOException e) {
      giveUp(at);
      throw new PuroException(PuroException.Kind.SYSTEM, "not appended", e);
    }
    commit(at);
    m.absorb(new Block(at, b));
    m.segment.afresh();
  }

  private void giveUp(long at) { // otherwise it stays low for the next repair
    try {
      memory.segment.file.truncate(at);
    } catch (IOException e) {
      // SHOULD
    }
  }

  private void commit(long at) throws IOException {
    try {
      memory.segment.file.write(at, new byte[] {Block.HIGH});
    } catch (IOException e) {
      byte[] now;
      try {
        now = memory.segment.file.read(at, 1);
      } catch (IOException x) {
        throw new PuroException(PuroException.Kind.UNKNOWN, "whether it is appended is not known", x);
      }
      if (now.length == 1 && now[0] == Block.HIGH) return;
      giveUp(at);
      throw new PuroException(PuroException.Kind.SYSTEM, "not appended", e);
    }
  }

  /** Syncs all up to the remembered end, or mends at once. */
  void sync() throws IOException {
    long upTo = memory.position;
    if (memory.segment.file.syncFailed) {
      Mend.mend(this, memory.segment);
    } else {
      try {
        memory.segment.file.sync();
      } catch (IOException e) {
        Mend.mend(this, memory.segment); // never just again
      }
    }
    memory.synced(upTo);
  }

  void close() throws IOException {
    lock.close();
    for (Segment s : unmended) s.close();
    if (memory != null) memory.segment.close();
    memory = null;
  }
}
