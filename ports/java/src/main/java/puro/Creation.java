package puro;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Makes a stream where there is none (O-1, O-2). */
final class Creation {
  private Creation() {}

  /** True: it was made. False: it was there, or somebody else was faster. */
  static boolean create(Path path, Producer.Options o, Map<String, String> settings) throws IOException {
    settings.forEach(Settings::check); // F-53
    try {
      Files.createDirectory(path); // step 1
    } catch (FileAlreadyExistsException e) {
      // perhaps a stream, perhaps an empty directory
    }
    Dir dir = Dir.open(path, o.allowNetwork);
    if (dir == null) throw PuroException.refused(path + " is not there");
    LockFile lock = new LockFile(dir, "writer.lock");
    try {
      if (!Listing.of(dir).numbers.isEmpty()) return false;
      for (String name : dir.list()) {
        if (!Names.known(name)) throw PuroException.usage(path + " holds other files: " + name); // O-2
      }
      lock.lock(o.waitMs, null);
      dir.check();
      if (!Listing.of(dir).numbers.isEmpty()) return false; // somebody else was faster
      Path parent = path.toRealPath().getParent();
      if (parent != null) {
        Dir up = Dir.open(parent, true);
        up.sync(); // step 2
        up.close();
      }
      World w = o.world;
      State state = new State();
      state.fold(State.epochEntry(1, 0, w.bootId(), w.now())); // E-1
      for (var e : settings.entrySet()) {
        state.fold(Rec.entry("setting", Bytes.ascii(e.getKey()), Bytes.ascii(e.getValue())));
      }
      Rollover.make(dir, w.newStreamId(), 0, 0, w.now(), state, 0).file().close(); // step 3: V-4, V-5
      Rollover.name(dir, 0);
      return true;
    } finally {
      lock.close(); // step 4
      dir.close();
    }
  }
}
