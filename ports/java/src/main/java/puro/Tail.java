package puro;

import java.io.IOException;

/** The recovery table (protocol.md, chapter 5): what stands behind the committed end. It changes nothing. */
final class Tail {
  enum Row { UNREADABLE, DAMAGED, CLEAN, UNSEEN, LOST }

  final Row row;
  final long from; // P
  final long to; // L
  final String why;

  private Tail(Row row, long from, long to, String why) {
    this.row = row;
    this.from = from;
    this.to = to;
    this.why = why;
  }

  boolean cuts() {
    return row == Row.UNSEEN || row == Row.LOST;
  }

  /** the first row that applies. The header was found valid by whoever opened the segment. */
  static Tail classify(Memory m, byte[] bootId) {
    long p = m.position, l = p;
    try {
      l = m.segment.file.size();
      return classify(m, bootId, p, l);
    } catch (IOException e) {
      return new Tail(Row.UNREADABLE, p, l, e.toString()); // a read error is never taken for invalid bytes
    }
  }

  private static Tail classify(Memory m, byte[] bootId, long p, long l) throws IOException {
    if (m.blocks == 0 || !m.firstIsCheckpoint) return new Tail(Row.DAMAGED, p, l, "the first block is no committed checkpoint");
    Finding f = new Finding(m.segment, p, l);
    f.read();
    boolean thisBoot = m.state.ofBoot(bootId);
    long known = Long.compareUnsigned(m.knownForTable(), f.known) > 0 ? m.knownForTable() : f.known;
    if (Long.compareUnsigned(known, p) > 0) {
      return new Tail(Row.DAMAGED, p, l, "bytes up to " + Long.toUnsignedString(known) + " were on disk");
    }
    if (thisBoot && f.highBehind >= 0) {
      return new Tail(Row.DAMAGED, p, l, "a committed block stands behind it, at " + f.highBehind);
    }
    if (f.allZero) return new Tail(Row.CLEAN, p, l, ""); // L <= P, or zeros, which are nothing (F-56)
    if (f.signalLow && !f.anyBehind && thisBoot) return new Tail(Row.UNSEEN, p, l, "a block that was never committed");
    return new Tail(Row.LOST, p, l, "what a loss of power or damage left");
  }

  /** One pass over P..L: each byte is read once for starts, and once more within the blocks that are checked. */
  private static final class Finding {
    private static final int PIECE = 1 << 20;
    private final Segment s;
    private final long p, l;
    boolean allZero = true, signalLow, anyBehind;
    long known, highBehind = -1;
    private long checkedTo; // a start within a block that was checked need not be checked

    Finding(Segment s, long p, long l) {
      this.s = s;
      this.p = p;
      this.l = l;
    }

    void read() throws IOException {
      int headerCrc = s.header.crc();
      long behind = p + Limits.UNIT; // P plus the extent
      for (long at = p; at < l; at += PIECE) {
        byte[] b = s.file.read(at, (int) Math.min(PIECE, l - at));
        if (!Bytes.zeros(b, 0, b.length)) allZero = false;
        for (int i = 0; i < b.length; i += Limits.UNIT) {
          long q = at + i;
          if (q == p) {
            signalLow = b[0] == Block.LOW;
            if (Block.startStands(b, 0, p, headerCrc)) behind = new Block(p, java.util.Arrays.copyOf(b, Limits.START)).end();
          } else if (q >= behind && Block.startStands(b, i, q, headerCrc)) {
            found(q, new Block(q, java.util.Arrays.copyOfRange(b, i, i + Limits.START)));
          }
        }
      }
    }

    private void found(long q, Block start) throws IOException { // it counts for behind and known, valid or not
      anyBehind = true;
      if (Long.compareUnsigned(start.durableTo(), known) > 0) known = start.durableTo();
      if (q < checkedTo || start.signal() != Block.HIGH || highBehind >= 0 || start.end() > l) return;
      checkedTo = start.end();
      Block.Look look = Block.look((at, n) -> s.file.read(at, n), q, s.header.crc(), null, 0, false);
      if (look.state() == Block.State.VALID) highBehind = q;
    }
  }
}
