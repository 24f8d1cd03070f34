package puro;

import java.io.IOException;
import java.util.Arrays;

/** What is remembered of one segment: its end (O-3), its state (F-37), and what is known to be on disk. */
final class Memory {
  final Segment segment;
  long position = Limits.HEADER;
  int crc;
  long nextOffset;
  boolean sealed; // the last block is a segment end
  private byte[] eight; // before the end
  State state = new State();
  int blocks;
  boolean firstIsCheckpoint;
  long openingEnd = Limits.HEADER; // the end of the opening checkpoints (F-51)
  private boolean opening = true;
  long maxTimestamp; // of any records block so far; opening checkpoints carry it on (F-22)
  long openingTimestamp;
  long epoch; // of the last block
  private long raisedEnd; // behind the block that raised the newest epoch; 0: known to be on disk (E-4)
  long known; // up to where the segment is known to be on disk
  private long knownOnce; // the same, of bytes that are not there any more
  boolean ours; // this writer made the segment, or appended here before (V-7)

  Memory(Segment segment) {
    this.segment = segment;
    forget();
  }

  private void forget() {
    position = Limits.HEADER;
    crc = segment.header.crc();
    nextOffset = segment.header.baseOffset();
    epoch = segment.header.epoch();
    sealed = false;
    eight = null;
    state = new State();
    blocks = 0;
    firstIsCheckpoint = false;
    openingEnd = Limits.HEADER;
    opening = true;
    maxTimestamp = openingTimestamp = 0;
    raisedEnd = 0;
    known = 0;
  }

  /** Reads a segment from its header up to its committed end (O-3). */
  static Memory scan(Segment segment) throws IOException {
    Memory m = new Memory(segment);
    m.stepOver();
    return m;
  }

  /** once more from the header. What the memory knew of other bytes, it goes on to know for the table only. */
  void scanAgain(boolean wrong) throws IOException {
    byte[] head = segment.file.read(0, Limits.HEADER);
    if (Header.judge(head, true) != Header.Verdict.FINE || Header.parse(head).crc() != segment.header.crc()) {
      throw PuroException.damage("the header of " + segment.name() + " is not what it was"); // row `damaged`
    }
    long before = position, knew = known;
    forget();
    segment.afresh();
    stepOver();
    if (wrong || position < before) knownOnce = max(knownOnce, knew);
    else synced(knew);
  }

  /** over every committed block. Gives what stands at the first place that is none. */
  Block.State stepOver() throws IOException {
    segment.afresh();
    boolean afresh = true;
    while (true) {
      if (sealed) return Block.State.NOTHING; // F-25: nothing follows a segment end
      Block.Look l = look();
      if (l.state() == Block.State.COMMITTED) {
        absorb(l.block());
        afresh = false;
      } else if (!afresh) {
        segment.afresh();
        afresh = true;
      } else {
        if (eight == null) eight = segment.eight(position);
        return l.state();
      }
    }
  }

  Block.Look look() throws IOException {
    return Block.look(segment, position, segment.header.crc(), crc, nextOffset, segment.compacted());
  }

  /** Takes in a committed block that stands at the end. */
  void absorb(Block b) {
    if (blocks++ == 0) firstIsCheckpoint = b.kind() == Block.CHECKPOINT;
    if (b.kind() != Block.CHECKPOINT) opening = false;
    if (b.kind() == Block.RECORDS) maxTimestamp = max(maxTimestamp, b.timestamp()); // F-22
    else if (opening) maxTimestamp = openingTimestamp = b.timestamp();
    if (b.hasControl()) fold(b); // F-24: a writer decodes a body only there
    if (b.kind() == Block.CHECKPOINT) raisedEnd = 0; // E-4: an opening one, or one behind the raise
    position = b.end();
    crc = b.crc();
    eight = Arrays.copyOfRange(b.bytes, b.bytes.length - 8, b.bytes.length);
    nextOffset = b.nextOffset();
    epoch = b.epoch();
    if (opening) openingEnd = position;
    sealed = b.kind() == Block.SEGMENT_END;
    known = max(known, b.durableTo());
    if (raisedEnd != 0 && known >= raisedEnd) raisedEnd = 0; // E-4
  }

  private void fold(Block b) {
    long before = state.newestEpoch();
    b.controlRecords().forEach(r -> state.fold(r, b.firstOffset()));
    if (!opening && state.newestEpoch() > before) raisedEnd = b.end();
  }

  private static long max(long a, long b) {
    return Long.compareUnsigned(a, b) > 0 ? a : b;
  }

  /** are the eight bytes before the end as remembered? */
  boolean fits() throws IOException {
    byte[] now = segment.eight(position);
    if (eight == null && blocks == 0) return now != null && Bytes.i32(now, 4) == crc; // the header's last eight
    return Arrays.equals(eight, now);
  }

  /** All up to here is on disk. */
  void synced(long upTo) {
    known = max(known, upTo);
    if (raisedEnd != 0 && known >= raisedEnd) raisedEnd = 0;
  }

  boolean epochOnDisk() { // E-4
    return raisedEnd == 0;
  }

  /** What the writer itself knows to be on disk, for the recovery table. */
  long knownForTable() {
    return max(known, knownOnce);
  }
}
