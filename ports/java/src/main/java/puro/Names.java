package puro;

/** The names of a stream's directory (F-7, F-10, F-11). */
final class Names {
  private Names() {}

  static String segment(long sequence) { // F-7
    return String.format("%010d.puro", sequence);
  }

  static String made(long sequence) { // F-10, V-4
    return segment(sequence) + ".new";
  }

  /** The number of a segment's name; -1 if it is none. Ten digits above 2^32 - 1 are none (F-7). */
  static long sequence(String name) {
    if (!name.matches("[0-9]{10}\\.puro")) return -1;
    long n = Long.parseLong(name.substring(0, 10));
    return n > Limits.LAST_SEQUENCE ? -1 : n;
  }

  /** Has the name a place in a stream's directory (F-10)? */
  static boolean known(String name) {
    return sequence(name) >= 0 || temporary(name)
        || name.equals("writer.lock") || name.equals("steward.lock") || name.equals("consumers")
        || name.equals("lost") || name.equals("lost+found");
  }

  static boolean temporary(String name) {
    return (name.endsWith(".puro.new") || name.endsWith(".puro.compact"))
        && sequence(name.substring(0, name.lastIndexOf('.'))) >= 0;
  }

  static void checkName(String name) { // F-11
    if (!name.matches("[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")) {
      throw PuroException.usage("a name has 1 to 200 of A-Z a-z 0-9 . _ -, the first not a dot: " + name);
    }
  }
}
