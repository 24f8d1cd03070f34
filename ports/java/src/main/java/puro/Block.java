package puro;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/** One block (format.md, chapter 5): its bytes, its start, and what a check says of it. */
final class Block {
  static final int RECORDS = 1, CHECKPOINT = 2, SEGMENT_END = 3;
  static final byte LOW = 0, HIGH = (byte) 0xA5;

  /** F-24; each says more than the one before it. NOTHING: the file ends within the start. */
  enum State { NOTHING, INVALID, VALID, GOOD, COMMITTED }

  /** Where bytes are read from. Gives fewer only where the file ends. */
  interface Source {
    byte[] read(long position, int length) throws IOException;
  }

  record Look(State state, Block block) {}

  final long position;
  final byte[] bytes; // all of them, or just the start's 48

  Block(long position, byte[] bytes) {
    this.position = position;
    this.bytes = bytes;
  }

  byte signal() { return bytes[0]; }
  int kind() { return Bytes.u8(bytes, 1); }
  int flags() { return Bytes.u16(bytes, 2); }
  boolean hasControl() { return (flags() & 1) != 0; }
  long bodyLen() { return Bytes.u32(bytes, 4); }
  long recordCount() { return Bytes.u32(bytes, 8); }
  int prevCrc() { return Bytes.i32(bytes, 12); }
  long firstOffset() { return Bytes.u64(bytes, 16); }
  long timestamp() { return Bytes.u64(bytes, 24); }
  long durableTo() { return Bytes.u64(bytes, 32); }
  long epoch() { return Bytes.u32(bytes, 40); }
  int crc() { return Bytes.i32(bytes, bytes.length - 4); }
  int length() { return lengthOf((int) bodyLen()); }
  long end() { return position + length(); }
  long nextOffset() { return firstOffset() + recordCount(); }

  static int lengthOf(int bodyLen) { // F-15
    return (Limits.START + bodyLen + Limits.END + Limits.UNIT - 1) / Limits.UNIT * Limits.UNIT;
  }

  /** Does a start stand here (F-43)? The signal may be anything. */
  static boolean startStands(byte[] b, int at, long position, int headerCrc) {
    if (at + Limits.START > b.length) return false;
    int kind = Bytes.u8(b, at + 1);
    if (kind < 1 || kind > 3 || Bytes.u16(b, at + 2) > 1) return false; // F-17
    long bodyLen = Bytes.u32(b, at + 4), count = Bytes.u32(b, at + 8), first = Bytes.u64(b, at + 16);
    if (bodyLen > Limits.MAX_BODY || kind == RECORDS && bodyLen == 0) return false; // F-16
    if (kind != RECORDS && count != 0) return false; // F-18
    if (Long.compareUnsigned(first + count, first) < 0) return false; // F-18: less than 2^64
    CRC32C crc = Bytes.seeded(headerCrc, position); // F-19, F-20
    crc.update(b, at + 1, 43);
    return (int) crc.getValue() == Bytes.i32(b, at + 44);
  }

  /** "Check one block" of pseudocode.md. `prevCrc` null: only whether it is valid is asked. */
  static Look look(Source s, long position, int headerCrc, Integer prevCrc, long nextOffset, boolean compacted)
      throws IOException {
    byte[] start = s.read(position, Limits.START);
    if (start.length < Limits.START) return new Look(State.NOTHING, null); // F-24
    if (!startStands(start, 0, position, headerCrc)) return new Look(State.INVALID, null); // F-16 to F-20
    Block claimed = new Block(position, start);
    if (start[0] != LOW && start[0] != HIGH) return new Look(State.INVALID, claimed); // F-17
    byte[] all = s.read(position, claimed.length()); // F-20: believed only now
    if (all.length < claimed.length()) return new Look(State.INVALID, claimed); // F-24
    if (!Arrays.equals(start, 0, Limits.START, all, 0, Limits.START)) return new Look(State.INVALID, claimed); // M-2
    Block block = new Block(position, all);
    int bodyEnd = Limits.START + (int) block.bodyLen();
    if (!Bytes.zeros(all, bodyEnd, all.length - Limits.END)) return new Look(State.INVALID, block); // F-15
    if (Bytes.u32(all, all.length - 8) != block.bodyLen()) return new Look(State.INVALID, block);
    CRC32C crc = Bytes.seeded(headerCrc, position); // F-19
    crc.update(all, 1, 43);
    crc.update(all, Limits.START, all.length - 4 - Limits.START);
    if ((int) crc.getValue() != block.crc()) return new Look(State.INVALID, block);
    if (prevCrc == null || block.prevCrc() != prevCrc) return new Look(State.VALID, block); // F-21
    int order = Long.compareUnsigned(block.firstOffset(), nextOffset);
    if (compacted ? order < 0 : order != 0) return new Look(State.VALID, block); // F-21, F-39
    return new Look(block.signal() == HIGH ? State.COMMITTED : State.GOOD, block); // F-24
  }

  static byte[] encode(
      int headerCrc, long position, int kind, byte[] body, boolean control, long count, int prevCrc,
      long first, long timestamp, long durableTo, long epoch, byte signal) {
    if (body.length > Limits.MAX_BODY) throw PuroException.usage("a block's body has at most 16 MiB"); // F-16
    if (Long.compareUnsigned(first + count, first) < 0) throw PuroException.usage("no offset is left"); // F-18
    byte[] b = new byte[lengthOf(body.length)];
    b[0] = signal;
    b[1] = (byte) kind;
    Bytes.put(b, 2, 2, control ? 1 : 0);
    Bytes.put(b, 4, 4, body.length);
    Bytes.put(b, 8, 4, count);
    Bytes.put(b, 12, 4, prevCrc);
    Bytes.put(b, 16, 8, first);
    Bytes.put(b, 24, 8, timestamp);
    Bytes.put(b, 32, 8, durableTo);
    Bytes.put(b, 40, 4, epoch);
    System.arraycopy(body, 0, b, Limits.START, body.length);
    Bytes.put(b, b.length - 8, 4, body.length);
    CRC32C crc = Bytes.seeded(headerCrc, position); // F-19: one pass makes both
    crc.update(b, 1, 43);
    Bytes.put(b, 44, 4, crc.getValue());
    crc.update(b, Limits.START, b.length - 4 - Limits.START);
    Bytes.put(b, b.length - 4, 4, crc.getValue());
    return b;
  }

  /** For a writer: whether the records agree with the start is no concern of its (F-24). */
  List<Rec> controlRecords() {
    List<Rec> out = new ArrayList<>();
    Bytes.In in = new Bytes.In(bytes, Limits.START, Limits.START + (int) bodyLen());
    while (in.left() > 0) {
      Rec r = Rec.decode(in);
      if (r.control()) out.add(r);
    }
    return out;
  }

  /** A record with the offset at which it stands; a control record with that of the next one. */
  record Placed(long offset, Rec rec) {}

  /**
   * All records, control records too. Damage if they do not agree with the start (R-3, F-17, F-18, F-28, F-33).
   * `gaps`: may gaps stand here? A reader does not ask, verification does (K-14).
   */
  List<Placed> records(boolean gaps) {
    List<Placed> out = new ArrayList<>();
    Bytes.In in = new Bytes.In(bytes, Limits.START, Limits.START + (int) bodyLen());
    long offset = firstOffset();
    boolean control = false, gapBefore = false;
    while (in.left() > 0) {
      Rec r = Rec.decode(in);
      boolean gap = r.key() == null && r.isKind("gap") && kind() == RECORDS;
      if (gap && gapBefore) throw PuroException.damage("two gaps side by side at " + position);
      gapBefore = gap;
      control |= r.control();
      if (!r.control() && kind() != RECORDS) throw PuroException.damage("a record in a checkpoint or segment end");
      long n = kind() == RECORDS ? r.offsets(gaps) : 0;
      if (Long.compareUnsigned(n, recordCount()) > 0) throw PuroException.damage("a wrong record_count at " + position);
      out.add(new Placed(offset, r));
      offset += n;
    }
    if (control != hasControl()) throw PuroException.damage("a wrong flag of control records at " + position); // F-17
    if (offset != nextOffset()) throw PuroException.damage("a wrong record_count at " + position); // F-18
    return out;
  }
}
