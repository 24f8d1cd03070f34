package puro;

import java.util.Arrays;

/** The header of a segment (format.md, chapter 4). */
record Header(
    byte[] streamId, long baseOffset, long created, long sequence, long generation, long epoch, int crc) {
  static final byte[] MAGIC = {(byte) 0x8B, 0x50, 0x55, 0x52, 0x4F, 0x0D, 0x0A, 0x1A};

  /** What the first 64 bytes say. */
  enum Verdict { FINE, NO_SEGMENT, DAMAGED, NEWER }

  static Verdict judge(byte[] b, boolean toWrite) { // F-12: in this order
    if (b.length < 8 || !Arrays.equals(b, 0, 8, MAGIC, 0, 8)) return Verdict.NO_SEGMENT;
    if (b.length < Limits.HEADER || Bytes.crc(b, 0, 60) != Bytes.i32(b, 60)) return Verdict.DAMAGED;
    if (Bytes.u16(b, 8) != 1) return Verdict.NEWER; // F-50; for version 0 see QUESTIONS.md
    if (Bytes.u16(b, 14) != 0 || toWrite && Bytes.u16(b, 12) != 0) return Verdict.NEWER; // F-13
    return Verdict.FINE;
  }

  static Header parse(byte[] b) {
    return new Header(
        Arrays.copyOfRange(b, 16, 32), Bytes.u64(b, 32), Bytes.u64(b, 40), Bytes.u32(b, 48),
        Bytes.u32(b, 52), Bytes.u32(b, 56), Bytes.i32(b, 60));
  }

  static byte[] encode(byte[] streamId, long base, long created, long sequence, long generation, long epoch) {
    byte[] b = new byte[Limits.HEADER];
    System.arraycopy(MAGIC, 0, b, 0, 8);
    Bytes.put(b, 8, 2, 1); // F-13: the features stay 0
    System.arraycopy(streamId, 0, b, 16, 16);
    Bytes.put(b, 32, 8, base);
    Bytes.put(b, 40, 8, created);
    Bytes.put(b, 48, 4, sequence);
    Bytes.put(b, 52, 4, generation);
    Bytes.put(b, 56, 4, epoch);
    Bytes.put(b, 60, 4, Bytes.crc(b, 0, 60));
    return b;
  }

  boolean sameStream(byte[] id) {
    return Arrays.equals(streamId, id);
  }
}
