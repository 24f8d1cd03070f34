package puro;

/** What is told to the caller. The kind says whose fault it is, and so the exit code of the command line. */
public final class PuroException extends RuntimeException {
  public enum Kind {
    /** The end needs repair. */ NEEDS_REPAIR(1),
    /** What is stored is not what it must be. */ DAMAGED(2),
    /** The history of a token or a position is gone (E-7). */ DIVERGED(2),
    /** The offset is not in the stream, or no longer (R-9, V-8). */ OUT_OF_RANGE(2),
    /** Stream removed, moved or replaced. */ REMOVED(2),
    /** From a newer Puro (F-50). */ NEWER(74),
    /** There is no segment. */ NO_STREAM(74),
    /** Asked for what cannot be. */ USAGE(64),
    /** A rule of the specification forbids to go on (A-19, F-8, F-9, M-1). */ REFUSED(74),
    /** The lock was held for too long (L-8). */ LOCKED(74),
    /** Somebody else was faster (A-16, C-2). Nothing was appended. */ CONFLICT(74),
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
