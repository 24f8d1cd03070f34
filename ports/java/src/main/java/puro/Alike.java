package puro;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What is made beside others has their mode, owner and group, as far as the system lets us (O-9). */
final class Alike {
  private Alike() {}

  static void make(Path made, Descriptors.Stat like) throws IOException {
    if (like == null) return;
    Descriptors.Stat is = Descriptors.stat(made);
    for (String what : new String[] {"gid", "uid", "mode"}) { // the mode last: a change of owner may clear bits of it
      Object want = like.all().get(what);
      if (is == null || want.equals(is.all().get(what)) && !what.equals("mode")) continue;
      try {
        // Not with NOFOLLOW_LINKS: then Java opens the file and closes it, and takes away locks on it (L-2).
        Files.setAttribute(made, "unix:" + what, what.equals("mode") ? (Object) ((Integer) want & 07777) : want);
      } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
        // a favour (SHOULD)
      }
    }
  }
}
