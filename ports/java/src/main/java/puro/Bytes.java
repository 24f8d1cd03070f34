package puro;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/** Integers, varints and checksums (F-1, F-2, F-3). */
final class Bytes {
  private Bytes() {}

  static int u8(byte[] b, int at) {
    return b[at] & 0xFF;
  }

  static int u16(byte[] b, int at) { // F-1
    return u8(b, at) | u8(b, at + 1) << 8;
  }

  /** The 32 bits as they are; see {@link #u32} for the number. */
  static int i32(byte[] b, int at) { // F-1
    return u16(b, at) | u16(b, at + 2) << 16;
  }

  static long u32(byte[] b, int at) { // F-1
    return i32(b, at) & 0xFFFF_FFFFL;
  }

  /** 64 bits; unsigned, so compare with Long.compareUnsigned. */
  static long u64(byte[] b, int at) { // F-1
    return u32(b, at) | u32(b, at + 4) << 32;
  }

  static void put(byte[] b, int at, int size, long value) { // F-1
    for (int i = 0; i < size; i++) b[at + i] = (byte) (value >>> 8 * i);
  }

  static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] b) {
    return new String(b, StandardCharsets.UTF_8);
  }

  static String hex(byte[] b) {
    StringBuilder s = new StringBuilder();
    for (byte x : b) s.append(String.format("%02x", x));
    return s.toString();
  }

  static int crc(byte[] b, int from, int to) { // F-3; F-55: the end is not part of it
    CRC32C c = new CRC32C();
    c.update(b, from, to - from);
    return (int) c.getValue();
  }

  /** A checksum that begins with seed(p) (F-19). */
  static CRC32C seeded(int headerCrc, long position) {
    byte[] seed = new byte[12];
    put(seed, 0, 4, headerCrc);
    put(seed, 4, 8, position);
    CRC32C c = new CRC32C();
    c.update(seed, 0, 12);
    return c;
  }

  static boolean zeros(byte[] b, int from, int to) {
    for (int i = from; i < to; i++) if (b[i] != 0) return false;
    return true;
  }

  static boolean zeros(byte[] b) {
    return zeros(b, 0, b.length);
  }

  /** Writes fields one behind the other. */
  static final class Out {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Out raw(byte[] b) {
      bytes.write(b, 0, b.length);
      return this;
    }

    Out fixed(int size, long value) {
      byte[] b = new byte[size];
      put(b, 0, size, value);
      return raw(b);
    }

    Out varint(long value) { // F-2: the shortest form
      while ((value & ~0x7FL) != 0) {
        bytes.write((int) (value & 0x7F | 0x80));
        value >>>= 7;
      }
      bytes.write((int) value);
      return this;
    }

    Out sized(byte[] b) {
      return varint(b.length).raw(b);
    }

    int size() {
      return bytes.size();
    }

    byte[] done() {
      return bytes.toByteArray();
    }
  }

  /** Reads fields one behind the other, and never beyond the end. */
  static final class In {
    final byte[] b;
    int at;
    final int end;

    In(byte[] b, int from, int end) {
      this.b = b;
      this.at = from;
      this.end = end;
    }

    int left() {
      return end - at;
    }

    int one() {
      if (at >= end) throw PuroException.damage("a field ends beyond its record"); // F-28
      return u8(b, at++);
    }

    long varint() { // F-2
      long value = 0;
      for (int i = 0; i < 10; i++) {
        int x = one();
        if (i == 9 && x > 1) throw PuroException.damage("a varint exceeds 64 bits");
        value |= (long) (x & 0x7F) << 7 * i;
        if (x < 0x80) {
          if (x == 0 && i > 0) throw PuroException.damage("a varint is longer than it must be");
          return value;
        }
      }
      throw PuroException.damage("a varint exceeds 10 bytes");
    }

    byte[] raw(long size, long limit, String what) { // F-28, F-30: before anything is allocated
      if (size < 0 || size > limit) throw PuroException.damage(what + " exceeds its limit");
      if (size > left()) throw PuroException.damage(what + " ends beyond its record");
      byte[] out = new byte[(int) size];
      System.arraycopy(b, at, out, 0, out.length);
      at += out.length;
      return out;
    }
  }
}
