package puro;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;

/** A lock file (protocol.md, chapter 2). It counts only while its name leads to it (L-4). */
final class LockFile {
  private static final long DAY_MS = 86_400_000;

  private final Dir dir;
  private final String name;
  private OpenFile file; // kept open from one lock to the next
  private boolean locked;

  LockFile(Dir dir, String name) {
    this.dir = dir;
    this.name = name;
  }

  /** Makes it if missing, locks it, looks its name up; begins again where that leads elsewhere (L-4). */
  void lock(long millis, Descriptors.Stat like) throws IOException {
    long deadline = System.nanoTime() + millis * 1_000_000;
    for (int i = 0; i < Limits.START_OVER; i++) {
      if (file == null) {
        file = dir.open(name, true); // F-44: a regular file; Dir refuses all else
        if (file == null && (file = make(like)) == null) continue;
      }
      file.lock(false, deadline, name);
      Descriptors.Stat s = dir.stat(name); // after the lock: what was looked at before counts for nothing
      if (s != null && s.key().equals(file.key)) {
        locked = true;
        if (s.links() != 1) { // F-44
          release();
          throw PuroException.refused(name + " has another name, too");
        }
        freshen(s);
        return;
      }
      file.unlock();
      file.close();
      file = null;
    }
    throw new PuroException(PuroException.Kind.LOCKED, name + " is replaced all the time");
  }

  private OpenFile make(Descriptors.Stat like) throws IOException {
    try {
      OpenFile f = OpenFile.create(dir.at(name));
      Alike.make(dir.at(name), like); // O-9
      return f;
    } catch (FileAlreadyExistsException e) {
      return null;
    } catch (NoSuchFileException e) { // the directory that is held was removed
      throw new PuroException(PuroException.Kind.REMOVED, dir.shown + " was removed");
    }
  }

  /**
   * L-4: so that cleaners of old files leave it. Not by Files.setLastModifiedTime: that opens the file and closes it,
   * and the POSIX lock would be gone (L-2). A byte that comes and goes does it.
   */
  private void freshen(Descriptors.Stat s) {
    try {
      long now = System.currentTimeMillis();
      FileTime t = (FileTime) s.all().get("lastModifiedTime");
      if (Math.abs(now - t.toMillis()) < DAY_MS / 2) return;
      long size = file.size();
      file.write(size, new byte[] {'\n'});
      file.truncate(size);
    } catch (IOException e) {
      // a favour (SHOULD)
    }
  }

  boolean nameLeadsHere() throws IOException {
    return locked && file.is(dir.at(name));
  }

  /** The hint of the owner (F-40). */
  void writeHint() {
    try {
      String start = "0";
      try {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        start = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19]; // field 22
      } catch (IOException | RuntimeException e) {
        // unknown
      }
      String line = ProcessHandle.current().pid() + " " + start + " " + System.currentTimeMillis() + "\n";
      file.truncate(0);
      file.write(0, Bytes.ascii(line));
    } catch (IOException e) {
      // a favour (SHOULD)
    }
  }

  void release() throws IOException {
    if (locked) file.unlock();
    locked = false;
  }

  void close() throws IOException {
    release();
    if (file != null) file.close();
    file = null;
  }
}
