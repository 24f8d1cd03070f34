package puro;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;

/** Repair of the active segment's end (protocol.md, chapter 5). Under writer.lock, behind A-5. */
public final class Repair {
  /** What was done. */
  public record Report(String row, String segment, long from, long bytes, String saved) {
    @Override public String toString() {
      return segment + ": " + bytes + " bytes cut off at " + from + " (" + row.toLowerCase() + ")"
          + (saved == null ? "" : ", saved as " + saved);
    }
  }

  private Repair() {}

  static void atEnd(Writer w) throws IOException {
    Memory m = w.memory;
    Tail t = Tail.classify(m, w.world.bootId());
    switch (t.row) {
      case UNREADABLE -> throw new PuroException(PuroException.Kind.UNREADABLE, m.segment.name() + " cannot be read: " + t.why);
      case DAMAGED -> throw PuroException.damage(m.segment.name() + " is damaged at " + t.from + ": " + t.why);
      case CLEAN -> { }
      case UNSEEN -> {
        cut(w, t.from);
        w.repairs.add(new Report(t.row.name(), m.segment.name(), t.from, t.to - t.from, null));
      }
      case LOST -> {
        boolean behindEnd = m.sealed;
        String saved = save(w, t.from, t.to);
        cut(w, t.from);
        w.repairs.add(new Report(t.row.name(), m.segment.name(), t.from, t.to - t.from, saved));
        if (!behindEnd) {
          if (!m.ours) w.dir.sync(); // V-7
          m.ours = true;
          w.raise();
        }
      }
    }
  }

  private static void cut(Writer w, long p) throws IOException {
    Segment s = w.memory.segment;
    s.file.truncate(p);
    s.afresh();
    try {
      if (s.file.syncFailed) Mend.mend(w, s);
      else s.file.sync();
    } catch (IOException e) {
      Mend.mend(w, s); // A-14, at once
    }
    // nothing is taken as known to be on disk for this sync
  }

  /** the bytes from P on, into a saved tail (F-41). */
  private static String save(Writer w, long p, long l) throws IOException {
    Segment s = w.memory.segment;
    Dir lost = w.dir.sub("lost", true);
    try {
      java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
      long wanted = 0;
      for (long at = p; at < l; at += 1 << 20) {
        byte[] b = s.file.read(at, (int) Math.min(1 << 20, l - at));
        crc.update(b);
        if (!Bytes.zeros(b, 0, b.length)) wanted += b.length;
      }
      if (w.dir.room() < wanted) throw new PuroException(PuroException.Kind.SYSTEM, "no space to save a tail");
      String stem = String.format("%010d-%020d-%08x", s.number, p, (int) crc.getValue()); // F-41
      for (int i = 0; ; i++) {
        String name = stem + (i == 0 ? "" : "-" + i) + ".tail";
        OpenFile f = mine(lost, name, s, p, l);
        if (f == null) continue; // something else: left alone
        try {
          // All of it anew: the sync of what is there may have failed (X-4, M-6).
          for (long at = 0; at < l - p; at += 1 << 20) {
            f.write(at, s.file.read(p + at, (int) Math.min(1 << 20, l - p - at)));
          }
          f.sync();
        } finally {
          f.close();
        }
        Alike.make(lost.at(name), w.dir.stat(s.name())); // O-9
        lost.sync();
        w.dir.sync();
        return "lost/" + name;
      }
    } finally {
      lost.close();
    }
  }

  /** A new file, or one that holds a beginning of the bytes and has no other name. Null: anything else. */
  private static OpenFile mine(Dir lost, String name, Segment s, long p, long l) throws IOException {
    try {
      return OpenFile.create(lost.at(name));
    } catch (FileAlreadyExistsException e) {
      Descriptors.Stat st = lost.stat(name);
      if (st == null || !st.regular() || st.links() != 1 || st.size() > l - p) return null;
    }
    OpenFile f;
    try {
      f = lost.open(name, true);
    } catch (IOException e) {
      return null; // may not be opened
    }
    if (f == null) return null;
    long size = f.size();
    for (long at = 0; at < size; at += 1 << 20) {
      int n = (int) Math.min(1 << 20, size - at);
      if (!java.util.Arrays.equals(f.read(at, n), s.file.read(p + at, n))) {
        f.close();
        return null;
      }
    }
    return f;
  }
}
