package puro;

import java.io.IOException;

/** After a failed sync: never just sync again (A-14, M-6). Under writer.lock. */
final class Mend {
  private Mend() {}

  /** Rewrites all blocks that are not known durable with the bytes that they have, then syncs. */
  static void mend(Writer w, Segment s) throws IOException {
    s.file.syncFailed = true;
    boolean remembered = w.memory != null && w.memory.segment == s;
    long from = remembered ? Math.max(w.memory.known, 0) : 0; // of one left behind nothing is believed
    long to = Memory.scan(s).position; // its end now counts, not the remembered one
    if (from > to) from = 0;
    for (long at = from; at < to; at += 1 << 20) {
      s.file.write(at, s.file.read(at, (int) Math.min(1 << 20, to - at)));
    }
    s.file.sync(); // fails again: still to be mended
    s.file.syncFailed = false;
  }

  /** Segments that were left behind unmended: before a later sync is believed. */
  static void rest(Writer w) throws IOException {
    while (!w.unmended.isEmpty()) {
      Segment s = w.unmended.get(0);
      if (s.file.syncFailed) mend(w, s); // another user of the file may have done it
      w.unmended.remove(0);
      s.close();
    }
  }
}
