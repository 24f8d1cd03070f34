package puro;

import java.io.IOException;

/** A segment that is open: its file, its name, its header. */
final class Segment implements Block.Source {
  final Dir dir;
  final long number;
  final OpenFile file;
  final Header header;
  private byte[] window = new byte[0]; // what was read last; never trusted to say "nothing there"
  private long windowAt;

  private Segment(Dir dir, long number, OpenFile file, Header header) {
    this.dir = dir;
    this.number = number;
    this.file = file;
    this.header = header;
  }

  /** Null: there is no such name. `id` null: whatever stream it is of. */
  static Segment open(Dir dir, long number, boolean write, byte[] id) throws IOException {
    OpenFile f = dir.open(Names.segment(number), write);
    return f == null ? null : of(dir, number, f, write, id);
  }

  static Segment of(Dir dir, long number, OpenFile f, boolean write, byte[] id) throws IOException {
    try {
      byte[] b = f.read(0, Limits.HEADER);
      switch (Header.judge(b, write)) { // F-12
        case NO_SEGMENT -> throw PuroException.damage(Names.segment(number) + " is not a segment");
        case DAMAGED -> throw PuroException.damage("the header of " + Names.segment(number) + " is damaged");
        case NEWER -> throw Listing.newer(number);
        default -> { }
      }
      Header h = Header.parse(b);
      if (id != null && !h.sameStream(id) || h.sequence() != number) { // F-9, V-8
        throw PuroException.damage(Names.segment(number) + " is of another stream, or not in its place");
      }
      return new Segment(dir, number, f, h);
    } catch (Throwable e) {
      f.close();
      throw e;
    }
  }

  String name() {
    return Names.segment(number);
  }

  boolean compacted() {
    return header.generation() > 0;
  }

  boolean nameLeadsHere() throws IOException {
    return file.is(dir.at(name()));
  }

  int links() throws IOException {
    return file.links(dir.at(name()));
  }

  /** Reads through a window. Call {@link #afresh} before what is not there is believed not to be there. */
  @Override public byte[] read(long position, int length) throws IOException {
    if (position < windowAt || position + length > windowAt + window.length) {
      if (length > 65_536) return file.read(position, length);
      window = file.read(position, 131_072);
      windowAt = position;
    }
    int from = (int) (position - windowAt);
    return java.util.Arrays.copyOfRange(window, from, Math.max(from, Math.min(from + length, window.length)));
  }

  /** F-56: are all bytes from here up to the end of the file zero, or is there none? It reads all of them (Z-6). */
  boolean zerosBehind(long position) throws IOException {
    while (true) {
      byte[] b = file.read(position, 131_072);
      if (!Bytes.zeros(b, 0, b.length)) return false;
      if (b.length < 131_072) return true;
      position += b.length;
    }
  }

  void afresh() {
    window = new byte[0];
  }

  /** The eight bytes before a position; null: the file has them no longer. */
  byte[] eight(long position) throws IOException {
    byte[] b = file.read(position - 8, 8);
    return b.length == 8 ? b : null;
  }

  void close() {
    file.close();
  }
}
