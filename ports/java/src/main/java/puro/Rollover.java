package puro;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Rollover (protocol.md, chapter 7), and the first segment (O-1). Under writer.lock. */
final class Rollover {
  private Rollover() {}

  static void roll(Writer w) throws IOException {
    Memory m = w.memory;
    if (m.segment.number == Limits.LAST_SEQUENCE) throw PuroException.usage("there is no further segment"); // F-7
    if (w.dir.stat(Names.segment(m.segment.number + 1)) != null) { // V-10
      throw PuroException.refused(Names.segment(m.segment.number + 1) + " is in the way");
    }
    long room = 0;
    for (byte[] b : m.state.checkpointBodies()) room += Block.lengthOf(b.length) + Limits.UNIT;
    if (w.dir.room() < room + 4096) { // V-2
      throw new PuroException(PuroException.Kind.SYSTEM, "no space for the next segment");
    }
    // V-3: without an index of topics, which may be left out (F-42)
    w.put(Block.SEGMENT_END, new byte[0], false, 0, m.maxTimestamp, m.state.newestEpoch());
    finish(w);
  }

  /**
   * V-3: no zeros stay behind the segment end, nor the room that others reserved. Java does not truncate a file to
   * the length that it has; so a zero is put behind the end first.
   */
  private static void cut(Memory m) throws IOException {
    try {
      if (m.segment.file.size() == m.position) m.segment.file.write(m.position, new byte[1]);
    } catch (IOException e) {
      // a favour: the room is not given back
    }
    m.segment.file.truncate(m.position);
  }

  /** V-6: what is left to do behind a segment end, be it ours or of somebody who died. */
  static void finish(Writer w) throws IOException {
    Memory m = w.memory;
    if (m.segment.number == Limits.LAST_SEQUENCE) throw PuroException.usage("there is no further segment"); // F-7
    cut(m); // V-3
    w.sync();
    Mend.rest(w);
    long next = m.segment.number + 1;
    Made made = make(w.dir, w.streamId, next, m.nextOffset, w.world.now(), m.state, m.maxTimestamp); // V-4
    Memory scanned;
    try {
      Alike.make(w.dir.at(Names.made(next)), w.dir.stat(m.segment.name())); // O-9
      if (!w.lock.nameLeadsHere()) { // once more before the rename
        throw new PuroException(PuroException.Kind.SYSTEM, "writer.lock was taken away during a rollover");
      }
      name(w.dir, next);
      scanned = Memory.scan(Segment.of(w.dir, next, made.file, true, w.streamId));
    } catch (Throwable e) {
      if (e instanceof PuroException p && p.kind == PuroException.Kind.DAMAGED) throw p; // Segment.of closed it
      made.file.close();
      throw e;
    }
    w.move(scanned);
    w.memory.synced(made.length);
    w.memory.ours = true; // V-7: named and synced by us
  }

  record Made(OpenFile file, long length) {}

  /** V-4: header and opening checkpoints under the temporary name, all signals high; then fdatasync. */
  static Made make(Dir dir, byte[] id, long number, long base, long now, State state, long timestamp) throws IOException {
    long epoch = state.newestEpoch();
    byte[] header = Header.encode(id, base, now, number, 0, epoch); // F-49
    int headerCrc = Bytes.i32(header, 60);
    List<byte[]> bodies = new ArrayList<>();
    long length = Limits.HEADER;
    for (byte[] body : state.checkpointBodies()) { // F-37, F-51
      byte[] padded = Padding.fit(headerCrc, length, body); // F-43
      bodies.add(padded);
      length += Block.lengthOf(padded.length);
    }
    OpenFile f = dir.createAnew(Names.made(number)); // F-45
    try {
      f.write(0, header);
      long at = Limits.HEADER;
      int crc = headerCrc;
      for (byte[] body : bodies) {
        byte[] b = Block.encode(headerCrc, at, Block.CHECKPOINT, body, body.length > 0, 0, crc, base, timestamp,
            length, epoch, Block.HIGH); // F-22, F-23: the length at which it is synced
        f.write(at, b);
        at += b.length;
        crc = Bytes.i32(b, b.length - 4);
      }
      f.sync();
      return new Made(f, length);
    } catch (Throwable e) {
      f.close();
      throw e;
    }
  }

  /** V-5. From the rename on it is the active segment. */
  static void name(Dir dir, long number) throws IOException {
    String name = Names.segment(number);
    if (dir.stat(name) != null) throw PuroException.refused(name + " is in the way");
    dir.rename(Names.made(number), name);
    dir.sync();
  }
}
