package puro;

/** What is told to the caller. The kind says whose fault it is, and so the exit code of the command line (K-16). */
public final class PuroException extends RuntimeException {
  public enum Kind {
    /** What is stored is not what it must be. */ DAMAGED(2),
    /** The history of a token or a position is gone (E-7). */ DIVERGED(2),
    /** A token of another stream (E-8). */ OTHER_STREAM(2),
    /** The segments are of two streams, and as many of each (F-9). */ DRAW(2),
    /** The place of a named consumer is out of range (C-9). */ PLACE_LOST(2),
    /** The offset is not in the stream, or no longer (R-9, V-8). */ OUT_OF_RANGE(64),
    /** Stream removed, moved or replaced. */ REMOVED(74),
    /** From a newer Puro (F-50). */ NEWER(74),
    /** There is no segment. */ NO_STREAM(64),
    /** Asked for what cannot be. */ USAGE(64),
    /** A rule of the specification forbids to go on (A-19, F-8, F-44, V-5). */ REFUSED(74),
    /** The lock was held for too long (L-8). */ LOCKED(74),
    /** Somebody else was faster (A-16, C-2). Nothing was appended. */ CONFLICT(74),
    /** An identity is beyond this sequence, or used it for another batch (C-4). */ OLD_SEQUENCE(64),
    /** The system did not let something be read. */ UNREADABLE(74),
    /** Any other error; nothing was appended. */ SYSTEM(74),
    /** Appended, but not durable. */ NOT_DURABLE(74),
    /** Whether it was appended is not known. */ UNKNOWN(74);

    public final int exit;

    Kind(int exit) {
      this.exit = exit;
    }
  }

  public final Kind kind;

  public PuroException(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  public PuroException(Kind kind, String message, Throwable cause) {
    super(message + (cause == null ? "" : ": " + cause), cause);
    this.kind = kind;
  }

  static PuroException damage(String message) {
    return new PuroException(Kind.DAMAGED, message);
  }

  static PuroException usage(String message) {
    return new PuroException(Kind.USAGE, message);
  }

  static PuroException refused(String message) {
    return new PuroException(Kind.REFUSED, message);
  }
}
