package puro;

/** A place in a history, to be kept (E-7, E-9). */
public record Token(String streamId, long epoch, long offset) {
  @Override public String toString() { // E-9
    return streamId + ":" + Long.toUnsignedString(epoch) + ":" + Long.toUnsignedString(offset);
  }

  public static Token parse(String text) { // E-9: upper case and leading zeros are accepted
    String[] p = text.split(":", -1);
    try {
      if (p.length != 3 || !p[0].matches("[0-9a-fA-F]{32}") || !p[1].matches("[0-9]+") || !p[2].matches("[0-9]+")) {
        throw PuroException.usage("no token: " + text);
      }
      long epoch = Long.parseUnsignedLong(p[1]);
      if (epoch < 0 || epoch > 0xFFFF_FFFFL) throw PuroException.usage("no token: " + text);
      return new Token(p[0].toLowerCase(), epoch, Long.parseUnsignedLong(p[2]));
    } catch (NumberFormatException e) {
      throw PuroException.usage("no token: " + text);
    }
  }

  /** Asks whether it has diverged from the history that the state tells (E-7), and whether it is of this stream (E-8). */
  void check(String ofStream, State state, long nextOffset) {
    if (!streamId.equals(ofStream)) throw new PuroException(PuroException.Kind.OTHER_STREAM, "the token is of another stream"); // E-8
    if (Long.compareUnsigned(nextOffset, offset) < 0) throw diverged("the stream ends at " + Long.toUnsignedString(nextOffset));
    if (epoch == 0) return; // nothing was read: only the case above is asked
    if (epoch > state.newestEpoch()) throw diverged("the stream knows no epoch above " + state.newestEpoch());
    if (overtaken(state)) throw diverged("a later epoch begins below it");
  }

  /** The first case of E-7 alone. */
  boolean overtaken(State state) {
    if (epoch == 0) return false;
    for (State.Epoch e : state.epochs()) {
      if (e.number() > epoch && Long.compareUnsigned(e.firstOffset(), offset) < 0) return true;
    }
    return false;
  }

  private PuroException diverged(String why) {
    return new PuroException(PuroException.Kind.DIVERGED, "the history of " + this + " is gone: " + why);
  }
}
