package puro;

import java.io.IOException;
import java.nio.*;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.*;
import java.util.zip.CRC32C;

/**
 * The reader of smallest-port.md in one file, and nothing else: it uses no other class of this port. It has one
 * descriptor with a lock at a time (two in a hop), opens no file a second time while that is locked (L-2, L-9), and is
 * for one thread that nobody interrupts.
 */
public final class SmallestReader implements AutoCloseable {
  public record Message(long offset, long time, byte[] topic, byte[] key, List<byte[][]> headers, byte[] value) {}

  /** damaged, out of range, removed, diverged, newer, no stream. */
  @SuppressWarnings("serial") public static final class Told extends RuntimeException {
    Told(String what, String more) {
      super(what + ": " + more);
    }
  }
  private record Header(byte[] id, long base, long sequence, long generation, int crc) {}
  private record Block(int kind, boolean control, int count, long first, long time, int crc, byte[] bytes, int bodyLen) {}
  private final Path dir;
  private final Object dirKey;
  private final byte[] id;
  private FileChannel file; // pinned
  private Object key; // of the file: device and inode
  private Header header;
  private long sequence, position, nextOffset, skipBelow;
  private int previousCrc;
  private byte[] before; // eight bytes before the position
  private final ArrayDeque<Message> ready = new ArrayDeque<>();
  private Told fate;
  private long lastLook;

  public SmallestReader(Path dir) throws IOException { // step 7, open() of pseudocode.md
    this.dir = dir;
    this.dirKey = Files.readAttributes(dir, BasicFileAttributes.class).fileKey();
    this.id = whose(list());
    seek(-1);
  }
  // ---- 1. integers, varints, checksums
  private static int crc(byte[] b, int from, int to) { // F-3
    CRC32C c = new CRC32C();
    c.update(b, from, to - from);
    return (int) c.getValue();
  }
  private static long varint(ByteBuffer b) { // F-2
    long v = 0;
    for (int i = 0; i < 10; i++) {
      int x = b.get() & 0xFF;
      if (i == 9 && x > 1 || x == 0 && i > 0) break;
      v |= (long) (x & 0x7F) << 7 * i;
      if (x < 0x80) return v;
    }
    throw new Told("damaged", "a varint");
  }
  private static byte[] take(ByteBuffer b, long n, int limit) { // F-28, F-30
    if (n < 0 || n > limit || n > b.remaining()) throw new Told("damaged", "a length within a record");
    byte[] out = new byte[(int) n];
    b.get(out);
    return out;
  }
  private static byte[] read(FileChannel f, long at, int n) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(n);
    while (b.hasRemaining() && f.read(b, at + b.position()) > 0);
    return Arrays.copyOf(b.array(), b.position());
  }
  // ---- 2. the header of a segment
  private static Header header(byte[] b) { // F-12: magic, crc, version, features; null: not valid
    if (b.length < 64 || !Arrays.equals(b, 0, 8, new byte[] {(byte) 0x8B, 'P', 'U', 'R', 'O', 13, 10, 26}, 0, 8)) return null;
    ByteBuffer f = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN); // F-1
    if (crc(b, 0, 60) != f.getInt(60)) return null;
    if (f.getShort(8) != 1 || f.getShort(14) != 0) throw new Told("newer", "the stream is of a newer Puro"); // F-13, F-50
    return new Header(Arrays.copyOfRange(b, 16, 32), f.getLong(32), f.getInt(48) & 0xFFFFFFFFL,
        f.getInt(52) & 0xFFFFFFFFL, f.getInt(60));
  }
  // ---- 3, 4. blocks and their chain
  /** The committed block at the position, or null (F-15 to F-24). Always read afresh. */
  private Block committed() throws IOException {
    byte[] s = read(file, position, 48);
    if (s.length < 48) return null;
    ByteBuffer f = ByteBuffer.wrap(s).order(ByteOrder.LITTLE_ENDIAN);
    CRC32C c = new CRC32C(); // F-19: seed(p), and the start without its signal
    c.update(ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN).putInt(header.crc).putLong(position).flip());
    c.update(s, 1, 43);
    if ((int) c.getValue() != f.getInt(44)) return null; // F-20
    int kind = s[1], flags = f.getShort(2), bodyLen = f.getInt(4), count = f.getInt(8);
    if (kind < 1 || kind > 3 || (flags & ~1) != 0 || bodyLen < 0 || bodyLen > 16_777_216) return null; // F-16, F-17
    if (kind == 1 ? bodyLen == 0 : count != 0) return null; // F-18
    int length = (48 + bodyLen + 8 + 63) / 64 * 64; // F-15
    byte[] b = read(file, position, length);
    if (b.length < length || !Arrays.equals(s, 1, 48, b, 1, 48)) return null;
    c.update(b, 48, length - 4 - 48);
    ByteBuffer all = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 48 + bodyLen; i < length - 8; i++) if (b[i] != 0) return null;
    if (all.getInt(length - 8) != bodyLen || all.getInt(length - 4) != (int) c.getValue()) return null;
    long first = f.getLong(16);
    if (f.getInt(12) != previousCrc || b[0] != (byte) 0xA5) return null; // F-21, F-24
    if (header.generation == 0 ? first != nextOffset : Long.compareUnsigned(first, nextOffset) < 0) return null; // F-39
    return new Block(kind, (flags & 1) != 0, count, first, f.getLong(24), all.getInt(length - 4), b, bodyLen);
  }
  // ---- 5, 6. records; control records are passed over
  private void deliver(Block b) {
    long offset = b.first, end = b.first + (b.count & 0xFFFFFFFFL);
    boolean control = false;
    ArrayDeque<Message> out = new ArrayDeque<>();
    ByteBuffer body = ByteBuffer.wrap(b.bytes, 48, b.bodyLen).order(ByteOrder.LITTLE_ENDIAN);
    try {
      while (body.hasRemaining()) {
        int sum = body.getInt(), from = body.position();
        long length = varint(body);
        if (length < 0 || length > body.remaining()) throw new Told("damaged", "a record ends beyond its body"); // F-28
        ByteBuffer r = body.slice(body.position(), (int) length);
        body.position(body.position() + (int) length);
        if (crc(b.bytes, from, body.position()) != sum) throw new Told("damaged", "a record's checksum");
        int a = r.get();
        byte[] topic = take(r, varint(r), 1024), k = (a & 1) != 0 ? take(r, varint(r), 1024) : null;
        List<byte[][]> headers = new ArrayList<>();
        int h = r.position();
        long n = (a & 4) != 0 ? varint(r) : 0;
        if ((a & 4) != 0 && (n < 1 || n > 21_844)) throw new Told("damaged", "a number of headers");
        for (; n > 0; n--) headers.add(new byte[][] {take(r, varint(r), 65_536), take(r, varint(r), 65_536)});
        if (r.position() - h > 65_536) throw new Told("damaged", "headers");
        byte[] value = (a & 2) != 0 ? take(r, r.remaining(), 10_485_760) : null;
        boolean wrong = topic.length == 0 || r.hasRemaining() || (a & 0xF0) != 0 || (a & 12) == 12 || (a & 3) == 0;
        if (wrong) throw new Told("damaged", "a record"); // F-27, F-31
        control |= (a & 8) != 0;
        boolean gap = (a & 8) != 0 && k == null && new String(topic).equals("gap"); // F-33; all others take none (F-31)
        if ((a & 8) == 0 && Long.compareUnsigned(offset, skipBelow) >= 0) {
          out.add(new Message(offset, b.time, topic, k, headers, value)); // F-29
        }
        offset += gap ? varint(ByteBuffer.wrap(value)) : (a & 8) == 0 ? 1 : 0;
      }
    } catch (java.nio.BufferUnderflowException e) {
      throw new Told("damaged", "a field ends beyond its record");
    }
    if (b.kind == 1 && offset != end || control != b.control) throw new Told("damaged", "a block's record_count or flag");
    ready.addAll(out);
  }
  // ---- 7. the files of a directory
  private Path at(long n) {
    return dir.resolve(String.format("%010d.puro", n)); // F-7
  }
  private Object keyOf(Path p) throws IOException { // null: no such name
    try {
      BasicFileAttributes a = Files.readAttributes(p, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      if (!a.isRegularFile()) throw new Told("refused", p + " is no regular file"); // F-8; looked at before it is opened
      return a.fileKey();
    } catch (NoSuchFileException e) {
      return null;
    }
  }
  private static FileChannel open(Path p) throws IOException { // F-54, as far as Java can
    return FileChannel.open(p, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
  }
  /** All segments with their headers; null where that is not valid. V-11: the first name of each hole is looked up. */
  private TreeMap<Long, Header> list() throws IOException {
    TreeMap<Long, Header> out = new TreeMap<>();
    try (DirectoryStream<Path> s = Files.newDirectoryStream(dir, "[0-9]*.puro")) {
      for (Path p : s) {
        String name = p.getFileName().toString();
        if (name.matches("[0-9]{10}\\.puro") && name.compareTo("4294967296") < 0) out.put(Long.parseLong(name.substring(0, 10)), null);
      }
    }
    for (long n : out.keySet().toArray(new Long[0])) {
      for (long m = n + 1; !out.containsKey(m) && Files.exists(at(m), LinkOption.NOFOLLOW_LINKS); m++) out.put(m, null);
    }
    for (var i = out.entrySet().iterator(); i.hasNext(); ) {
      var e = i.next();
      Object k = keyOf(at(e.getKey()));
      if (k == null) i.remove(); // deleted meanwhile
      else if (k.equals(key)) e.setValue(header); // L-9: it is not opened a second time
      else try (FileChannel f = open(at(e.getKey()))) { e.setValue(header(read(f, 0, 64))); }
    }
    return out;
  }
  private static byte[] whose(TreeMap<Long, Header> all) { // F-9: what the lowest and the highest say, else what most say
    List<ByteBuffer> ids = new ArrayList<>();
    all.forEach((n, h) -> { if (h != null && h.sequence == n) ids.add(ByteBuffer.wrap(h.id)); });
    if (ids.isEmpty()) throw new Told("no stream", "no segment says which stream this is");
    if (ids.get(0).equals(ids.get(ids.size() - 1))) return ids.get(0).array();
    int most = ids.stream().mapToInt(i -> Collections.frequency(ids, i)).max().getAsInt();
    List<ByteBuffer> best = ids.stream().distinct().filter(i -> Collections.frequency(ids, i) == most).toList();
    if (best.size() > 1) throw new Told("refused", "files of several streams");
    return best.get(0).array();
  }
  /** Is a segment of the stream there behind this one? One without a valid header counts: it is damage (F-9). */
  private boolean later() throws IOException {
    for (var e : list().tailMap(sequence + 1).entrySet()) {
      Header h = e.getValue();
      if (h == null || Arrays.equals(h.id, id) && h.sequence == e.getKey()) return true;
    }
    return false;
  }
  // ---- 8, 10. from segment to segment, each held before the last is let go
  /** False: the name is gone. */
  private boolean pin(long n, Long base) throws IOException {
    for (int i = 0; i < 100; i++) {
      Object k = keyOf(at(n));
      if (k == null) return false;
      FileChannel f = open(at(n));
      while (f.tryLock(0, Long.MAX_VALUE, true) == null) Thread.onSpinWait(); // L-1, L-7: a steward holds it for a moment
      Header h = header(read(f, 0, 64));
      if (k.equals(keyOf(at(n)))) {
        if (h == null || !Arrays.equals(h.id, id) || h.sequence != n || base != null && h.base != base) { // V-8, F-49
          f.close();
          throw new Told("damaged", at(n) + " has a wrong header");
        }
        boolean gone = base != null && !key.equals(keyOf(at(sequence))); // V-8: hand over hand
        if (gone || file != null) (gone ? f : file).close();
        if (gone) throw fate = new Told("out of range", "deleted before it was read");
        file = f;
        key = k;
        header = h;
        sequence = n;
        position = 64;
        previousCrc = h.crc;
        nextOffset = h.base;
        before = read(f, 56, 8);
        return true;
      }
      f.close(); // replaced meanwhile: start over
    }
    throw new Told("refused", at(n) + " is replaced all the time");
  }
  // ---- 12. seeking by offset
  public void seek(long offset) throws IOException { // R-9; below 0: the lowest
    close(); // before the headers are looked at (L-9)
    ready.clear();
    skipBelow = Math.max(offset, 0);
    long in = -1;
    for (var e : list().entrySet()) {
      Header h = e.getValue();
      boolean ours = h != null && Arrays.equals(h.id, id) && h.sequence == e.getKey();
      if (h == null && in < 0) throw new Told("damaged", "the header of " + at(e.getKey()));
      if (ours && (in < 0 && offset < 0 || Long.compareUnsigned(h.base, offset) <= 0 && offset >= 0)) in = e.getKey();
    }
    if (in < 0 || !pin(in, null)) throw new Told("out of range", "below the lowest offset");
    while (offset >= 0 && Long.compareUnsigned(nextOffset, offset) < 0 && ready.isEmpty()) {
      if (!step()) throw new Told("out of range", "above the next offset " + nextOffset);
    }
  }
  // ---- 9. reading beside writers
  /** The next record, or null: nothing yet. */
  public Message next() throws IOException {
    if (fate != null) throw fate;
    while (ready.isEmpty()) if (!step()) return null;
    return ready.poll();
  }
  /** Goes over one block, or into the next segment. False: there is nothing yet. */
  private boolean step() throws IOException {
    Block b = committed();
    boolean sealed = b == null && later(); // then look once more, and decide
    if (sealed && (b = committed()) == null) throw new Told("damaged", at(sequence) + " at " + position);
    if (b == null) return false;
    if (b.kind == 3) { // V-8; a later one without the next one is a hole (V-9)
      if (pin(sequence + 1, b.first)) return true;
      if (!later()) return false;
      if (pin(sequence + 1, b.first)) return true;
      if (!key.equals(keyOf(at(sequence)))) throw fate = new Told("out of range", "deleted before it was read");
      throw new Told("damaged", at(sequence + 1) + " is missing");
    }
    deliver(b); // throws before the position moves
    position += b.bytes.length;
    previousCrc = b.crc;
    nextOffset = b.first + (b.count & 0xFFFFFFFFL);
    before = Arrays.copyOfRange(b.bytes, b.bytes.length - 8, b.bytes.length);
    return true;
  }
  // ---- 11. waiting
  /** Waits so long for the next record, and looks around about every 100 ms. */
  public Message await(long millis) throws IOException, InterruptedException {
    for (long until = System.currentTimeMillis() + millis; ; Thread.sleep(10)) {
      Message m = next();
      if (m != null || System.currentTimeMillis() > until) return m;
      if (System.currentTimeMillis() - lastLook < 100) continue;
      lastLook = System.currentTimeMillis();
      boolean same = Files.exists(dir) && dirKey.equals(Files.readAttributes(dir, BasicFileAttributes.class).fileKey()); // O-8
      if (!same || !key.equals(keyOf(at(sequence)))) throw fate = new Told("removed", "moved, removed or replaced");
      if (!Arrays.equals(before, read(file, position - 8, 8))) throw fate = new Told("diverged", "what was read was taken back"); // R-11, simplified
    }
  }
  /** Is there something behind the last committed block that is none? Ask twice, a poll interval apart. */
  public boolean oddEnd() throws IOException {
    byte[] b;
    for (long p = position; committed() == null && (b = read(file, p, 65_536)).length > 0; p += b.length) {
      if (!Arrays.equals(b, new byte[b.length])) return true; // zeros are nothing (F-56)
    }
    return false;
  }
  @Override public void close() throws IOException {
    if (file != null) file.close(); // and with it the lock
    file = null;
    key = null;
  }
}
