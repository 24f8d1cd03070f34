package puro;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One file of this process, by device and inode: the table that L-2 and L-9 ask for. Java's locks are POSIX locks
 * (L-1), which go when the process closes ANY descriptor of their file. So each file is in the table once, however
 * many readers and producers of the process use it; its channels (one to read, one more to write where that is asked
 * for later) are closed together, when the last user has gone, and never before. The process's own users exclude each
 * other here, for POSIX locks do not.
 */
final class OpenFile {
  /** Tests let a sync fail here. */
  static volatile java.util.function.Consumer<String> beforeSync = name -> {};

  private static final Map<Object, OpenFile> TABLE = new HashMap<>(); // also the lock of all opening and closing

  static {
    // One table for the process: a second copy of these classes, of another class loader, would close our locks away.
    if (System.getProperties().putIfAbsent("puro.java.open-files", "in use") != null) {
      throw new IllegalStateException("Puro is loaded twice in this process; that would lose locks (L-2)");
    }
  }

  final Object key;
  private final String shown;
  private FileChannel reading, writing;
  private Path self; // /proc/self/fd/N, the way to fstat
  private final List<FileChannel> others = new ArrayList<>(); // came here by a race; closed with the rest (L-9)
  private int users;
  private FileLock lock;
  private int sharers;
  private boolean exclusive;
  /** A sync failed, and the file was not mended since. Of the file, for only one user of it is told. */
  volatile boolean syncFailed;

  private OpenFile(Object key, String shown) {
    this.key = key;
    this.shown = shown;
  }

  /** Opens a regular file, or gives the one that this process has open. Null: no such name. */
  static OpenFile open(Path path, boolean write) throws IOException {
    for (int i = 0; i < Limits.START_OVER; i++) {
      synchronized (TABLE) {
        Descriptors.Stat s = Descriptors.stat(path); // L-9: device and inode first, without opening
        if (s == null) return null;
        if (!s.regular()) throw PuroException.refused(path.getFileName() + " is no regular file"); // F-8, O-5
        OpenFile f = TABLE.get(s.key());
        if (f == null || (write ? f.writing == null : f.reading == null && f.writing == null)) {
          Set<OpenOption> how = write
              ? Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)
              : Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS); // F-54, as far as Java can
          f = take(path, how, s.key(), write);
          if (f == null) continue; // the name changed in between
        }
        f.users++;
        return f;
      }
    }
    throw new IOException(path.getFileName() + " changes all the time");
  }

  /** Makes a file that MUST NOT exist yet (F-45). Throws FileAlreadyExistsException where it does. */
  static OpenFile create(Path path) throws IOException {
    synchronized (TABLE) {
      OpenFile f = take(path, Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW,
          LinkOption.NOFOLLOW_LINKS), null, true);
      if (f == null) throw new IOException(path.getFileName() + " was replaced while it was made");
      f.users++;
      return f;
    }
  }

  /** Opens, and learns by fstat what was opened. Null if that is not what was expected. */
  private static OpenFile take(Path path, Set<OpenOption> how, Object expected, boolean write) throws IOException {
    Descriptors before = Descriptors.now();
    FileChannel c = FileChannel.open(path, how);
    Descriptors.Stat named = Descriptors.stat(path);
    Object want = expected != null ? expected : named == null ? null : named.key();
    Path self = want == null ? null : before.opened(want);
    boolean sure = self != null || before.unknown() && named != null && named.key().equals(want);
    if (!sure) {
      // It is some other file. If that is one of ours, closing this descriptor would take its locks away (L-9).
      OpenFile other = before.openedOf(TABLE);
      if (other != null) other.others.add(c);
      else c.close();
      return null;
    }
    OpenFile f = TABLE.computeIfAbsent(want, k -> new OpenFile(k, path.getFileName().toString()));
    if (write) f.writing = c;
    else f.reading = c;
    if (self != null) f.self = self;
    return f;
  }

  /** The last user closes all channels, at one moment, and the file leaves the table. */
  void close() {
    synchronized (TABLE) {
      if (--users > 0) return;
      TABLE.remove(key);
      others.add(reading);
      others.add(writing);
      for (FileChannel c : others) {
        try {
          if (c != null) c.close();
        } catch (IOException e) {
          // a close that fails has closed all the same
        }
      }
    }
  }

  private FileChannel any() {
    FileChannel w = writing;
    return w != null ? w : reading;
  }

  /** Tries, never waits. L-1: start 0, length 0 (that is what Long.MAX_VALUE becomes). */
  synchronized boolean tryLock(boolean shared) throws IOException {
    if (exclusive || sharers > 0 && !shared) return false; // L-2: our own threads
    if (shared && sharers > 0) {
      sharers++;
      return true;
    }
    try {
      lock = (shared ? any() : writing).tryLock(0, Long.MAX_VALUE, shared);
    } catch (OverlappingFileLockException e) {
      return false; // somebody else in this process, who does not use the table
    }
    if (lock == null) return false;
    if (shared) sharers = 1;
    else exclusive = true;
    return true;
  }

  synchronized void unlock() throws IOException {
    if (sharers > 1) {
      sharers--;
      return;
    }
    sharers = 0;
    exclusive = false;
    FileLock l = lock;
    lock = null;
    if (l != null) l.release();
  }

  void lock(boolean shared, long deadline, String name) throws IOException { // L-8
    long pause = 50_000;
    while (!tryLock(shared)) {
      if (System.nanoTime() > deadline) {
        throw new PuroException(PuroException.Kind.LOCKED, name + " is held by somebody else for too long");
      }
      java.util.concurrent.locks.LockSupport.parkNanos(pause);
      pause = Math.min(pause * 2, 1_000_000);
    }
  }

  byte[] read(long position, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length);
    while (buffer.hasRemaining()) {
      int n = any().read(buffer, position + buffer.position());
      if (n <= 0) return java.util.Arrays.copyOf(buffer.array(), buffer.position());
    }
    return buffer.array();
  }

  void write(long position, byte[] bytes) throws IOException {
    write(position, bytes, 0, bytes.length);
  }

  void write(long position, byte[] bytes, int from, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes, from, length);
    while (buffer.hasRemaining()) position += writing.write(buffer, position);
  }

  long size() throws IOException {
    return any().size();
  }

  void truncate(long size) throws IOException {
    writing.truncate(size);
  }

  /** fdatasync (M-5). Who is told of a failure remembers it here; see Segment.sync for what follows. */
  void sync() throws IOException {
    try {
      beforeSync.accept(shown);
      writing.force(false);
    } catch (IOException | java.io.UncheckedIOException e) {
      syncFailed = true;
      throw new IOException("a sync failed: " + e.getMessage(), e);
    }
  }

  /** The link count, by fstat where there is /proc; else by the name: 0 if that leads elsewhere. */
  int links(Path name) throws IOException {
    Descriptors.Stat s = self == null ? Descriptors.stat(name) : Descriptors.follow(self);
    if (s == null || !s.key().equals(key)) {
      if (self != null) throw new IOException("lost the descriptor of " + shown);
      return 0;
    }
    return s.links();
  }

  boolean is(Path name) throws IOException { // does the name lead to this file?
    Descriptors.Stat s = Descriptors.stat(name);
    return s != null && s.key().equals(key);
  }
}
