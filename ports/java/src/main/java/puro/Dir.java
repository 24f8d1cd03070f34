package puro;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A directory that is held (O-8). Names in it are reached by /proc/self/fd/N/NAME, which the kernel resolves from the
 * directory that is open, wherever it was moved: what openat does. Without /proc they are reached by the path, and
 * {@link #check} sees under the lock that it still leads here.
 */
final class Dir {
  private static final Set<String> NETWORK = Set.of(
      "nfs", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "afs", "coda", "ncpfs", "ncp", "ceph", "9p", "lustre", "gfs2", "ocfs2");

  /** -Dpuro.names=path: names are reached by the path, as without /proc. For tools that watch names (README.md). */
  private static final boolean BY_PATH = "path".equals(System.getProperty("puro.names"));

  final Path shown;
  final Object key;
  private final FileChannel channel;
  private final Path base;
  private final boolean held;

  private Dir(Path shown, Object key, FileChannel channel, Path base) {
    this.shown = shown;
    this.key = key;
    this.channel = channel;
    this.held = base != null;
    this.base = held ? base : shown;
  }

  /** Null: it is not there. Symbolic links in the path are followed (O-8). */
  static Dir open(Path path, boolean allowNetwork) throws IOException {
    Descriptors.Stat s = Descriptors.follow(path);
    if (s == null) return null;
    String type = Files.getFileStore(path).type(); // M-1
    if (!allowNetwork && (NETWORK.contains(type) || type.startsWith("fuse"))) {
      throw PuroException.usage(path + " is on a network file system (" + type + ")");
    }
    return hold(path.toAbsolutePath(), s);
  }

  private static Dir hold(Path path, Descriptors.Stat s) throws IOException {
    if (!s.directory()) throw PuroException.refused(path + " is no directory");
    synchronized (Dir.class) {
      Descriptors before = Descriptors.now();
      FileChannel c = FileChannel.open(path, StandardOpenOption.READ); // Linux lets a directory be opened so
      return new Dir(path, s.key(), c, BY_PATH ? null : before.opened(s.key()));
    }
  }

  /** `consumers` and `lost`: made if missing, never a link (O-5, L-10). */
  Dir sub(String name, boolean make) throws IOException {
    Descriptors.Stat s = stat(name);
    if (s == null && make) {
      try {
        Files.createDirectory(at(name));
        Alike.make(at(name), Descriptors.follow(at("."))); // O-9
      } catch (FileAlreadyExistsException e) {
        // somebody else was faster
      }
      s = stat(name);
    }
    return s == null ? null : hold(at(name), s);
  }

  Path at(String name) throws IOException {
    if (held) {
      Descriptors.Stat s = Descriptors.follow(base);
      if (s == null || !s.key().equals(key)) throw new IOException("the directory " + shown + " is not held any more");
    }
    return base.resolve(name);
  }

  Descriptors.Stat stat(String name) throws IOException {
    return Descriptors.stat(at(name));
  }

  List<String> list() throws IOException {
    List<String> out = new ArrayList<>();
    try (DirectoryStream<Path> s = Files.newDirectoryStream(at("."))) {
      for (Path p : s) out.add(p.getFileName().toString());
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return out;
  }

  OpenFile open(String name, boolean write) throws IOException {
    return OpenFile.open(at(name), write);
  }

  /** Makes a file of that name, in place of what may have it (F-45). */
  OpenFile createAnew(String name) throws IOException {
    remove(name);
    return OpenFile.create(at(name));
  }

  void remove(String name) throws IOException {
    Files.deleteIfExists(at(name));
  }

  void rename(String from, String to) throws IOException {
    Files.move(at(from), at(to), StandardCopyOption.ATOMIC_MOVE);
  }

  void sync() throws IOException { // M-5: fsync of the directory
    channel.force(true);
  }

  /** Does the path still lead here (O-8, R-11)? */
  boolean pathLeadsHere() throws IOException {
    Descriptors.Stat s = Descriptors.follow(shown);
    return s != null && s.key().equals(key);
  }

  /** O-8, for where nothing like openat is to be had: under each lock, before anything is written. */
  void check() throws IOException {
    if (!held && !pathLeadsHere()) {
      throw new PuroException(PuroException.Kind.REMOVED, shown + " was moved or replaced");
    }
  }

  long room() throws IOException {
    return Files.getFileStore(at(".")).getUsableSpace();
  }

  void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // a close that fails has closed all the same
    }
  }
}
