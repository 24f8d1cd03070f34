package puro;

import java.io.IOException;

/** What a consumer that waits looks at now and then. */
final class Watch {
  private final Reader r;
  private long lastLook;
  private long invalidSince = -1, invalidAt = -1;

  Watch(Reader r) {
    this.r = r;
  }

  void lookAround() throws IOException {
    long now = System.nanoTime();
    if (now - lastLook < Limits.POLL_MS * 1_000_000) return;
    lastLook = now;
    if (!r.dir.pathLeadsHere()) r.gone(PuroException.Kind.REMOVED, "the stream was moved, removed or replaced");
    if (!r.segment.nameLeadsHere() && Listing.later(r.dir, r.segment.number, r.streamId) < 0) { // else V-8 tells
      r.gone(PuroException.Kind.REMOVED, "the segment was taken away, or the stream removed");
    }
    if (!r.pastStands()) pastChanged();
  }

  /** The eight bytes are others: the past was taken back or damaged. Nothing is delivered from there on, for the
   * chain does not fit. If nothing is said here, nobody has repaired yet. */
  void pastChanged() throws IOException {
    Token mine = r.token();
    Memory m = r.history();
    try {
      if (mine.overtaken(m.state)) { // the first case of E-7 only
        r.gone(PuroException.Kind.DIVERGED, "the history of " + mine + " is gone");
      }
      if (r.markStands()) { // only blocks without records were taken back
        if (Long.compareUnsigned(m.nextOffset, mine.offset()) >= 0) {
          r.seekAnew();
        }
        return;
      }
      if (reaches(mine.offset())) {
        r.gone(PuroException.Kind.DIVERGED, "others appended in place of what was read before " + mine);
      }
    } finally {
      m.segment.close();
    }
  }

  /** Does the reader's own segment, read from its header on, reach its offset? */
  private boolean reaches(long offset) throws IOException {
    Segment s = Segment.open(r.dir, r.segment.number, false, r.streamId);
    if (s == null) return false;
    try {
      return Long.compareUnsigned(Memory.scan(s).nextOffset, offset) >= 0;
    } finally {
      s.close();
    }
  }

  boolean endIsClean() throws IOException {
    r.segment.afresh();
    return r.pastStands() && r.segment.zerosBehind(r.position) || r.look().state() == Block.State.COMMITTED;
  }

  /** The first look remembers, the second one, a poll interval later, tells. */
  Tail endProblem(byte[] bootId) throws IOException {
    Segment s = r.segment;
    if (endIsClean()) {
      invalidAt = -1;
      return null;
    }
    if (invalidAt != r.position) {
      invalidAt = r.position;
      invalidSince = System.nanoTime();
      return null;
    }
    if (System.nanoTime() - invalidSince < Limits.POLL_MS * 1_000_000) return null;
    Memory m = r.history(); // the newest epoch is read from the segment (O-3)
    try {
      Tail t = Tail.classify(m, bootId);
      return t.row == Tail.Row.CLEAN || m.segment.number != s.number ? null : t;
    } finally {
      m.segment.close();
    }
  }
}
