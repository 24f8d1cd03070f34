package puro;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * fstat and openat for Java, by /proc/self/fd. Java hides a descriptor's number; so what was opened is found by looking
 * which descriptors there are before and after. The number proves nothing by itself: whoever uses /proc/self/fd/N asks
 * for device and inode there, and compares. Elsewhere than on Linux the names alone have to do (README.md).
 */
final class Descriptors {
  private static final Path FD = Path.of("/proc/self/fd");

  private static final String WANTED = // not all: the owner's name would be looked up in /etc/passwd each time
      "unix:fileKey,nlink,size,isRegularFile,isDirectory,mode,uid,gid,lastModifiedTime";

  record Stat(Object key, int links, long size, boolean regular, boolean directory, Map<String, Object> all) {}

  private final Map<Path, Object> before; // null: there is no /proc

  private Descriptors(Map<Path, Object> before) {
    this.before = before;
  }

  static Descriptors now() {
    return new Descriptors(list());
  }

  /** Each number with its file. The list's own descriptor is among them; its number will be given out again. */
  private static Map<Path, Object> list() {
    Map<Path, Object> out = new HashMap<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(FD)) {
      for (Path p : all) {
        Stat s = follow(p);
        if (s != null) out.put(p, s.key());
      }
      return out;
    } catch (IOException | java.nio.file.DirectoryIteratorException e) {
      return null;
    }
  }

  boolean unknown() {
    return before == null;
  }

  /** The way to a descriptor that was opened since, of this file. */
  Path opened(Object key) {
    return opened().get(key);
  }

  /** The file of the table that was opened once more since. */
  OpenFile openedOf(Map<Object, OpenFile> table) {
    for (Object key : opened().keySet()) if (table.containsKey(key)) return table.get(key);
    return null;
  }

  private Map<Object, Path> opened() {
    Map<Object, Path> out = new HashMap<>();
    Map<Path, Object> after = before == null ? null : list();
    if (after == null) return out;
    after.forEach((n, key) -> {
      if (!key.equals(before.get(n))) out.put(key, n);
    });
    return out;
  }

  /** lstat. Null: no such name. */
  static Stat stat(Path path) throws IOException {
    return read(path, LinkOption.NOFOLLOW_LINKS);
  }

  static Stat follow(Path path) throws IOException {
    return read(path);
  }

  private static Stat read(Path path, LinkOption... how) throws IOException {
    try {
      Map<String, Object> a = Files.readAttributes(path, WANTED, how);
      return new Stat(a.get("fileKey"), ((Number) a.get("nlink")).intValue(), ((Number) a.get("size")).longValue(),
          (Boolean) a.get("isRegularFile"), (Boolean) a.get("isDirectory"), a);
    } catch (NoSuchFileException | NotDirectoryException e) {
      return null;
    }
  }
}
