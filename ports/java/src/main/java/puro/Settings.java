package puro;

import java.util.Map;
import java.util.Set;

/** What settings can be, and what holds where they are not (F-34, F-53). */
final class Settings {
  private static final Map<String, String> NUMBERS = Map.of( // with their defaults
      "segment_bytes", Long.toString(Limits.DEFAULT_SEGMENT_BYTES), "retention_ms", "0", "retention_bytes", "0", "roll_ms", "0",
      "marker_grace_ms", "86400000", "pin_grace_ms", "300000", "expiry_ms", "604800000",
      "keep_unconsumed_limit_bytes", "0", "keep_unconsumed_limit_ms", "0");
  private static final Set<String> TRUTHS = Set.of("keep_unconsumed", "durable");
  private static final Set<String> CLEANUPS = Set.of("delete", "compact", "compact,delete");

  private Settings() {}

  private static boolean ofTopic(String name) {
    return name.startsWith("cleanup:") && name.length() > "cleanup:".length();
  }

  /** Is it one of the table? */
  static boolean known(String name) {
    return NUMBERS.containsKey(name) || TRUTHS.contains(name) || name.equals("cleanup") || ofTopic(name);
  }

  private static boolean can(String name, String value) {
    if (TRUTHS.contains(name)) return value.equals("true") || value.equals("false");
    if (name.equals("cleanup") || ofTopic(name)) return CLEANUPS.contains(value);
    if (!NUMBERS.containsKey(name) || !value.matches("0|[1-9][0-9]{0,19}")) return false;
    try {
      long n = Long.parseUnsignedLong(value);
      return !name.equals("segment_bytes")
          || Long.compareUnsigned(n, Limits.MIN_SEGMENT_BYTES) >= 0 && Long.compareUnsigned(n, Limits.MAX_SEGMENT_BYTES) <= 0;
    } catch (NumberFormatException e) {
      return false; // above 2^64 - 1
    }
  }

  /** What holds where this entry stands (null: none does); null: nothing, for it is no setting, or has no default. */
  static String holds(String name, byte[] value) {
    if (value != null && can(name, Bytes.text(value))) return Bytes.text(value);
    if (name.equals("cleanup")) return "delete";
    return TRUTHS.contains(name) ? "false" : NUMBERS.get(name);
  }

  /** F-53: whoever is asked to set what cannot be refuses. */
  static void check(String name, String value) {
    if (known(name) && !can(name, value)) throw PuroException.usage("the setting " + name + " cannot be " + value);
  }
}
